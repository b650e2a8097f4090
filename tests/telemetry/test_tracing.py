"""Interceptions played with doubles; what is asserted is the tree of spans that comes of them."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from msgspec.structs import replace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from aibridge import __version__
from aibridge.errors import ClientError, Unavailable, UpstreamError, UpstreamTimeout
from aibridge.model import Headers, Outcome, ToolResult
from aibridge.ports import NoRecorder, Recorder
from aibridge.telemetry import tracing
from aibridge.telemetry.names import Attribute
from aibridge.telemetry.redaction import Redactor
from aibridge.telemetry.tracing import NoTracing, OpenTelemetry, Steps
from tests.telemetry.fakes import (
    CALL,
    INJECTED,
    INTERCEPTION,
    KEY,
    PROMPT,
    SELECTED,
    TARGET,
    THOUGHT,
    USAGE,
    FakeRecorder,
    FakeResponse,
    FakeToolboxes,
    FakeUpstreams,
    second,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENTS: Headers = ((b"traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode()),)
WHO = (INTERCEPTION.id, INTERCEPTION.route, CLIENTS)
COMMON = {
    "request_path": "/work/v1/chat/completions",
    "interception_id": INTERCEPTION.id,
    "user_id": "ada",
    "provider": "work",
    "model": "gpt-x",
    "streaming": True,
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-x",
    "gen_ai.request.stream": True,
    "gen_ai.conversation.id": "session-7",
}


class Tracer:
    """Tracing whose spans can be looked at."""

    def __init__(self, *, capture_content: bool = False) -> None:
        self._exporter = InMemorySpanExporter()
        processor = SimpleSpanProcessor(self._exporter)
        self.tracing = OpenTelemetry(processor, Redactor(), capture_content=capture_content)

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order of their beginnings."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def one(self, name: str) -> ReadableSpan:
        [span] = [span for span in self.spans if span.name == name]
        return span

    def tree(self) -> list[tuple[str, str | None]]:
        """Each span's name with its parent's."""
        names = {span.context.span_id: span.name for span in self.spans if span.context}
        return [(span.name, names.get(span.parent.span_id) if span.parent else None) for span in self.spans]


@pytest.fixture
def tracer() -> Tracer:
    return Tracer()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def parent_header(headers: Headers) -> str:
    [value] = [value for name, value in headers if name == b"traceparent"]
    return value.decode()


def header_of(span: ReadableSpan) -> str:
    assert span.context
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"


async def ask(upstreams: FakeUpstreams, tracer: Tracer) -> None:
    """One round."""
    async with tracer.tracing.upstreams(upstreams).bind(TARGET).open(b"{}") as response:
        async for _ in response:
            pass


async def play(tracer: Tracer, upstreams: FakeUpstreams, toolboxes: FakeToolboxes) -> None:
    """Two rounds, a tool of ours between them."""
    recorder = tracer.tracing.recorder(NoRecorder())
    with tracer.tracing.intercept(*WHO) as steps:
        with steps.step("CreateInterceptor"):
            toolbox = tracer.tracing.toolboxes(toolboxes).offer(INTERCEPTION.actor, "")
            assert toolbox.tools == toolboxes.tools
        await recorder.start(INTERCEPTION)
        with steps.step("ProcessRequest"):
            await ask(upstreams, tracer)
            await recorder.record(INTERCEPTION, PROMPT)
            await recorder.record(INTERCEPTION, USAGE)
            await toolbox.call([CALL])
            await recorder.record(INTERCEPTION, INJECTED)
            await ask(upstreams, tracer)
            for record in (second(), SELECTED, THOUGHT):
                await recorder.record(INTERCEPTION, record)
        await recorder.finish(INTERCEPTION, Outcome("completed", 2))


def good() -> FakeUpstreams:
    return FakeUpstreams([FakeResponse(200, [b"a"]), FakeResponse(200, [b"b"])])


async def test_the_tree_of_an_interception(tracer: Tracer) -> None:
    await play(tracer, good(), FakeToolboxes())
    assert tracer.tree() == [
        ("Intercept", None),
        ("Intercept.CreateInterceptor", "Intercept"),
        ("Intercept.RecordInterception", "Intercept"),
        ("Intercept.ProcessRequest", "Intercept"),
        ("Intercept.ProcessRequest.Upstream", "Intercept.ProcessRequest"),
        ("Intercept.RecordPromptUsage", "Intercept"),
        ("Intercept.RecordTokenUsage", "Intercept"),
        ("Intercept.ProcessRequest.ToolCall", "Intercept.ProcessRequest"),
        ("Intercept.RecordToolUsage", "Intercept"),
        ("Intercept.ProcessRequest.Upstream", "Intercept.ProcessRequest"),
        ("Intercept.RecordTokenUsage", "Intercept"),
        ("Intercept.RecordToolUsage", "Intercept"),
        ("Intercept.RecordModelThought", "Intercept"),
        ("Intercept.RecordInterceptionEnded", "Intercept"),
    ]


async def test_what_the_spans_say(tracer: Tracer) -> None:
    await play(tracer, good(), FakeToolboxes())
    root = tracer.one("Intercept")
    assert attributes(root) == COMMON
    assert root.kind is SpanKind.SERVER
    assert root.status.status_code is StatusCode.UNSET
    assert attributes(tracer.one("Intercept.CreateInterceptor")) == {
        "request_path": COMMON["request_path"],
        "interception_id": COMMON["interception_id"],
    }
    upstream, _ = [span for span in tracer.spans if span.name.endswith(".Upstream")]
    assert upstream.kind is SpanKind.CLIENT
    assert attributes(upstream) == COMMON | {
        "http.response.status_code": 200,
        "gen_ai.operation.name": "chat",
        "gen_ai.response.id": "resp_1",
        "gen_ai.usage.input_tokens": 15,  # by convention, cached ones count
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.cache_creation.input_tokens": 2,
    }
    assert attributes(tracer.one("Intercept.ProcessRequest.ToolCall")) == COMMON | {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "bmcp_time_now",
        "gen_ai.tool.call.id": "call_1",
        "mcp.method.name": "tools/call",
        "mcp_tool_name": "now",
        "mcp_server_name": "time",
        "mcp_server_url": "http://time/mcp",
    }
    ours, clients = [span for span in tracer.spans if span.name == "Intercept.RecordToolUsage"]
    assert attributes(ours)["mcp_server_name"] == "time"
    assert attributes(clients) == COMMON | {"gen_ai.tool.name": "read_file", "gen_ai.tool.call.id": "call_2"}
    assert attributes(tracer.one("Intercept.RecordPromptUsage")) == COMMON


@pytest.mark.parametrize("name", ["completion_reasoning", "output_reasoning"])
async def test_a_round_says_which_model_answered_and_how_long_it_thought(tracer: Tracer, name: str) -> None:
    recorder = tracer.tracing.recorder(NoRecorder())
    with tracer.tracing.intercept(*WHO):
        await ask(good(), tracer)
        await recorder.record(INTERCEPTION, replace(USAGE, model=f"gpt-x-2027 \ud800 {KEY}", extra={name: 7}))
    told = attributes(tracer.one("Intercept.ProcessRequest.Upstream"))
    assert told["gen_ai.response.model"] == "gpt-x-2027 ? [redacted]"
    assert told["gen_ai.usage.reasoning.output_tokens"] == 7


def test_the_names_are_those_of_the_conventions() -> None:
    conventional = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    assert {one.value for one in Attribute if one.startswith("gen_ai.")} <= conventional


async def test_a_rounds_span_ends_with_the_round_and_not_with_its_usage(tracer: Tracer) -> None:
    await play(tracer, good(), FakeToolboxes())
    upstream, _ = [span for span in tracer.spans if span.name.endswith(".Upstream")]
    prompt = tracer.one("Intercept.RecordPromptUsage")
    assert upstream.end_time
    assert prompt.start_time
    assert upstream.end_time <= prompt.start_time


async def test_content_is_there_only_when_asked_for_and_only_its_beginning() -> None:
    tracer = Tracer(capture_content=True)
    text = f'{{"key": "{KEY}", "text": "{"x" * 200}"}}'
    toolbox = tracer.tracing.toolboxes(FakeToolboxes()).offer(INTERCEPTION.actor, "")
    with tracer.tracing.intercept(*WHO):
        await toolbox.call([replace(CALL, text=text, tool=None)])
    shown = attributes(tracer.one("Intercept.ProcessRequest.ToolCall"))["mcp_input"]
    assert len(shown) == 100
    assert shown.startswith('{"key": "[redacted]", "text": "xxx')


async def test_the_clients_trace_goes_on_to_the_provider_by_way_of_each_round(tracer: Tracer) -> None:
    upstreams = good()
    await play(tracer, upstreams, FakeToolboxes())
    rounds = [span for span in tracer.spans if span.name.endswith(".Upstream")]
    assert [parent_header(target.headers) for target in upstreams.bound] == [header_of(span) for span in rounds]
    assert all(f"{span.context.trace_id:032x}" == TRACE for span in tracer.spans if span.context)
    root = tracer.one("Intercept")
    assert root.parent
    assert root.parent.is_remote
    assert upstreams.bound[0].headers[0] == TARGET.headers[0]
    assert upstreams.bound[0].credential is TARGET.credential


async def test_calls_made_together_each_have_a_span_that_is_current_while_they_run(tracer: Tracer) -> None:
    running: dict[str, int] = {}

    def answer(call: Any) -> ToolResult:
        running[call.id] = get_current_span().get_span_context().span_id
        return ToolResult((), error="no" if call.id == "call_2" else None)

    fake = FakeToolboxes(answer)
    toolbox = tracer.tracing.toolboxes(fake).offer(INTERCEPTION.actor, "")
    with tracer.tracing.intercept(*WHO):
        results = await toolbox.call([CALL, replace(CALL, id="call_2")])
    assert [result.error for result in results] == [None, "no"]
    assert sorted(fake.called) == [["call_1"], ["call_2"]]
    spans = {attributes(span)["gen_ai.tool.call.id"]: span for span in tracer.spans if span.name.endswith("ToolCall")}
    assert running == {name: span.context.span_id for name, span in spans.items() if span.context}
    assert spans["call_1"].status.status_code is StatusCode.UNSET
    assert (spans["call_2"].status.status_code, spans["call_2"].status.description) == (StatusCode.ERROR, "tool")
    assert not get_current_span().get_span_context().is_valid


async def test_cancelling_the_calls_cancels_each(tracer: Tracer) -> None:
    begun, cancelled = asyncio.Event(), []

    class Endless(FakeToolboxes):
        async def call(self, calls: Any) -> list[ToolResult]:
            if calls[0].id == "call_2":
                begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(calls[0].id)
            return []

    async def run() -> None:
        toolbox = tracer.tracing.toolboxes(Endless()).offer(INTERCEPTION.actor, "")
        with tracer.tracing.intercept(*WHO):
            await toolbox.call([CALL, replace(CALL, id="call_2")])

    task = asyncio.create_task(run())
    async with asyncio.timeout(5):
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert sorted(cancelled) == ["call_1", "call_2"]
    root = tracer.one("Intercept")
    assert (root.status.status_code, attributes(root)["error.type"]) == (StatusCode.UNSET, "cancelled")


async def test_a_failed_round_says_its_kind_and_not_its_words(tracer: Tracer) -> None:
    upstreams = FakeUpstreams(
        [UpstreamTimeout(f"no answer for {KEY}"), FakeResponse(429, []), FakeResponse(200, [UpstreamError("cut")])]
    )
    with tracer.tracing.intercept(*WHO):
        with pytest.raises(UpstreamTimeout):
            await ask(upstreams, tracer)
        await ask(upstreams, tracer)
        with pytest.raises(UpstreamError):
            await ask(upstreams, tracer)
    rounds = [span for span in tracer.spans if span.name.endswith(".Upstream")]
    kinds = ["timeout", "rate_limited", "server_error"]
    assert [span.status.status_code for span in rounds] == [StatusCode.ERROR] * 3
    assert [span.status.description for span in rounds] == kinds
    assert [attributes(span)["error.type"] for span in rounds] == kinds
    assert [attributes(span).get("http.response.status_code") for span in rounds] == [None, 429, 200]
    assert KEY not in "".join(span.to_json() for span in tracer.spans)
    assert upstreams.closed == 2


async def test_how_it_ended_stands_on_the_root(tracer: Tracer) -> None:
    recorder = tracer.tracing.recorder(NoRecorder())
    for outcome in (Outcome("failed", 1, "overloaded", f"said {KEY}"), Outcome("cancelled", 1, "cancelled")):
        with tracer.tracing.intercept(*WHO):
            await recorder.finish(INTERCEPTION, outcome)
    failed, cancelled = [span for span in tracer.spans if span.name == "Intercept"]
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "overloaded")
    assert (cancelled.status.status_code, attributes(cancelled)["error.type"]) == (StatusCode.UNSET, "cancelled")


@pytest.mark.parametrize(
    ("error", "kind"), [(ClientError(f"no model {KEY}"), "bad_request"), (KeyError(KEY), "KeyError")]
)
async def test_what_breaks_a_step_marks_it_and_the_root(tracer: Tracer, error: Exception, kind: str) -> None:
    with (
        pytest.raises(type(error)),
        tracer.tracing.intercept(*WHO) as steps,
        steps.step("CreateInterceptor"),
    ):
        raise error
    assert [span.status.description for span in tracer.spans] == [kind, kind]
    assert not [event for span in tracer.spans for event in span.events]


async def test_a_client_that_left_is_no_error(tracer: Tracer) -> None:
    with pytest.raises(ClientError), tracer.tracing.intercept(*WHO), tracer.tracing.intercept(*WHO):
        raise ClientError("gone", type="cancelled")
    assert [span.status.status_code for span in tracer.spans] == [StatusCode.UNSET] * 2
    assert [attributes(span)["error.type"] for span in tracer.spans] == ["cancelled"] * 2


async def test_a_recorder_that_fails_marks_its_span_and_still_fails(tracer: Tracer) -> None:
    recorder = tracer.tracing.recorder(FakeRecorder(Unavailable("full")))
    with pytest.raises(Unavailable), tracer.tracing.intercept(*WHO):
        await recorder.start(INTERCEPTION)
    assert tracer.one("Intercept.RecordInterception").status.description == "server_error"
    assert attributes(tracer.one("Intercept"))["model"] == "gpt-x"


async def test_a_passthrough_has_one_span_and_carries_the_trace(tracer: Tracer) -> None:
    upstreams = FakeUpstreams([FakeResponse(404, [])])
    with tracer.tracing.passthrough("work", "/work/v1/models/x", CLIENTS):
        await ask(upstreams, tracer)
    [span] = tracer.spans
    assert span.name == "Passthrough"
    assert attributes(span) == {
        "request_path": "/work/v1/models/x",
        "provider": "work",
        "http.response.status_code": 404,
        "error.type": "bad_request",
    }
    assert parent_header(upstreams.bound[0].headers) == header_of(span)


async def test_a_round_outside_of_any_step_hangs_from_the_root(tracer: Tracer) -> None:
    with tracer.tracing.intercept(*WHO) as steps:
        with steps.step("CreateInterceptor"):
            pass
        await ask(good(), tracer)
    assert tracer.tree()[-1] == ("Intercept.ProcessRequest.Upstream", "Intercept")


async def test_usage_without_a_round_or_an_id_and_sessions_without_a_name_do_no_harm(tracer: Tracer) -> None:
    recorder = tracer.tracing.recorder(NoRecorder())
    with tracer.tracing.intercept(*WHO):
        await recorder.start(replace(INTERCEPTION, session_id=None))
        await recorder.record(INTERCEPTION, USAGE)
        await ask(good(), tracer)
        await recorder.record(INTERCEPTION, replace(USAGE, response_id=None))
    assert "gen_ai.conversation.id" not in attributes(tracer.one("Intercept"))
    assert "gen_ai.response.id" not in attributes(tracer.one("Intercept.ProcessRequest.Upstream"))


async def test_outside_of_any_request_the_ports_work_as_ever(tracer: Tracer) -> None:
    fake, upstreams, toolboxes = FakeRecorder(), good(), FakeToolboxes()
    recorder: Recorder = tracer.tracing.recorder(fake)
    await recorder.start(INTERCEPTION)
    await recorder.record(INTERCEPTION, PROMPT)
    await recorder.finish(INTERCEPTION, Outcome("completed", 1))
    await ask(upstreams, tracer)
    assert await tracer.tracing.toolboxes(toolboxes).offer(INTERCEPTION.actor, "").call([CALL]) == [ToolResult(())]
    assert fake.taken == ["start", "PromptRecord", "completed"]
    assert upstreams.bound == [TARGET]
    assert tracer.spans == []


async def test_without_an_endpoint_everything_stays_as_it_is() -> None:
    off = tracing.connect(None, Redactor())
    assert isinstance(off, NoTracing)
    upstreams, toolboxes, recorder = good(), FakeToolboxes(), FakeRecorder()
    assert off.upstreams(upstreams) is upstreams
    assert off.toolboxes(toolboxes) is toolboxes
    assert off.recorder(recorder) is recorder
    with off.intercept(*WHO) as steps, steps.step("ProcessRequest"):
        assert steps.facts == {}
    with off.passthrough("work", "/", CLIENTS):
        pass
    await off.close()


class Collector(ThreadingHTTPServer):
    """A real OTLP/HTTP collector, as far as spans go."""

    def __init__(self) -> None:
        self.got: list[tuple[str, ExportTraceServiceRequest]] = []
        super().__init__(("127.0.0.1", 0), _Collect)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Collect(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["", "/", "/v1/traces"])
async def test_the_last_spans_reach_the_collector_before_the_end(collector: Collector, path: str) -> None:
    on = tracing.connect(collector.url + path, Redactor())
    with on.intercept(*WHO) as steps:
        assert steps.facts == {"trace_id": TRACE}
    await on.close()
    [(address, request)] = collector.got
    assert address == "/v1/traces"
    [resource] = request.resource_spans
    about = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert about["service.name"] == "aibridge"
    assert about["service.version"] == __version__
    [span] = resource.scope_spans[0].spans
    assert span.name == "Intercept"
    assert {each.key for each in span.attributes} == {"request_path", "interception_id"}


async def test_a_collector_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    class Stuck(SpanProcessor):
        def shutdown(self) -> None:
            released.wait(30)

    monkeypatch.setattr(tracing, "_LAST_EXPORT", 0.01)
    async with asyncio.timeout(5):
        await OpenTelemetry(Stuck(), Redactor()).close()
    released.set()


def test_steps_are_what_the_gateway_may_ask_for() -> None:
    steps: Steps = NoTracing()
    with steps.step("CreateInterceptor"):
        pass
