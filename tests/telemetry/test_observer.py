"""The room as the composition root puts it together, with a canary that must be seen nowhere."""

import io
import json
import logging

import pytest
from msgspec.structs import replace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aibridge.errors import UpstreamError
from aibridge.model import Outcome, ToolResult
from aibridge.ports import Observer
from aibridge.telemetry import watch
from aibridge.telemetry.logs import formatter
from aibridge.telemetry.metrics import Metrics
from aibridge.telemetry.observer import Telemetry
from aibridge.telemetry.redaction import Redactor
from aibridge.telemetry.tracing import NoTracing, OpenTelemetry
from tests.telemetry.fakes import (
    CALL,
    INJECTED,
    INTERCEPTION,
    KEY,
    PROMPT,
    TARGET,
    TOOL,
    USAGE,
    FakeRecorder,
    FakeResponse,
    FakeToolboxes,
    FakeUpstreams,
)

WHO = (INTERCEPTION.id, INTERCEPTION.route, ((b"authorization", f"Bearer {KEY}".encode()),))


async def play(telemetry: Telemetry, recorder: FakeRecorder, response: FakeResponse) -> None:
    """One round of a stream, and a tool."""
    recording = telemetry.recorder(recorder)
    toolboxes = FakeToolboxes(lambda _: ToolResult((), error=f"refused {KEY}"))
    with telemetry.intercept(*WHO) as sight:
        with sight.step("CreateInterceptor"):
            with sight.waiting():
                pass  # the body
            upstream = telemetry.upstreams(FakeUpstreams([response])).bind(TARGET)
            toolbox = telemetry.toolboxes(toolboxes).offer(INTERCEPTION.actor, "")
        await recording.start(INTERCEPTION)
        outcome = Outcome("completed", 1)
        with sight.step("ProcessRequest"):
            try:
                async with upstream.open(b"{}") as opened:
                    async for _ in opened:
                        sight.answering()
            except UpstreamError as error:
                logging.getLogger("aibridge.gateway").warning("the provider failed", exc_info=error)
                outcome = Outcome("failed", 1, error.type, error.message)
            call = replace(CALL, text=f'{{"key": "{KEY}"}}', tool=replace(TOOL, server_url=f"http://u:{KEY}@time/mcp"))
            await toolbox.call([call])
            for record in (PROMPT, USAGE, replace(INJECTED, error=f"refused {KEY}")):
                await recording.record(INTERCEPTION, record)
        await recording.finish(INTERCEPTION, outcome)


async def test_without_traces_there_are_metrics_and_the_recorder_hears_all() -> None:
    telemetry, recorder = Telemetry(Metrics(), NoTracing()), FakeRecorder()
    await play(telemetry, recorder, FakeResponse(200, [b"a"]))
    assert recorder.taken == ["start", "PromptRecord", "TokenUsage", "ToolUsage", "completed"]
    body = telemetry.metrics.render()[0].decode()
    assert 'aibridge_time_to_first_token_seconds_count{model="gpt-x",provider="work"} 1.0' in body
    assert 'aibridge_overhead_seconds_count{route="/work/v1/chat/completions"} 1.0' in body
    await telemetry.close()


async def test_it_is_what_the_gateway_reports_to() -> None:
    observer: Observer = Telemetry(Metrics(), NoTracing())
    with observer.intercept(*WHO) as sight, sight.step("ProcessRequest"):
        sight.answering()
        assert watch.current.get() is not None
    assert watch.current.get() is None


async def test_a_passthrough_is_counted_by_its_bounded_name() -> None:
    telemetry = Telemetry(Metrics(), NoTracing())
    with telemetry.passthrough("work", "/v1/models/{id}", "GET", "/work/v1/models/x", ()):
        pass
    counted = 'aibridge_passthrough_total{method="GET",provider="work",route="/v1/models/{id}"} 1.0'
    assert counted in telemetry.metrics.render()[0].decode()


async def test_a_canary_key_is_seen_in_no_log_no_span_and_no_metric(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    tracing = OpenTelemetry(SimpleSpanProcessor(exporter), Redactor(), capture_content=True)
    telemetry = Telemetry(Metrics(), tracing)
    monkeypatch.setattr(caplog.handler, "formatter", formatter("json", io.StringIO(), Redactor()))
    await play(telemetry, FakeRecorder(), FakeResponse(200, [b"a", UpstreamError(f"Incorrect API key: {KEY}")]))
    spans = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "[redacted]" in spans
    assert "[redacted]" in caplog.text
    assert KEY not in spans + caplog.text + telemetry.metrics.render()[0].decode()


async def test_a_log_entry_leads_to_its_trace(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry(Metrics(), OpenTelemetry(SimpleSpanProcessor(exporter), Redactor()))
    monkeypatch.setattr(caplog.handler, "formatter", formatter("json", io.StringIO(), Redactor()))
    with telemetry.intercept(*WHO):
        logging.getLogger("aibridge.gateway").warning("hello")
    [span] = exporter.get_finished_spans()
    assert span.context
    entry = json.loads(caplog.text)
    assert entry["interception_id"] == INTERCEPTION.id
    assert entry["trace_id"] == f"{span.context.trace_id:032x}"
