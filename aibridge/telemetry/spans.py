"""The spans of one request: which there are, how they hang together, what they say."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from time import time_ns
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, format_trace_id, set_span_in_context, use_span
from opentelemetry.util.types import AttributeValue
from typing_extensions import override

from aibridge.errors import AibridgeError, classify
from aibridge.model import Interception, Outcome, TokenUsage, ToolCall, ToolResult
from aibridge.telemetry.names import Attribute, Name
from aibridge.telemetry.redaction import Redactor

Attributes = Mapping[str, AttributeValue]

_STEPS: Final = {"CreateInterceptor": Name.CREATE, "ProcessRequest": Name.PROCESS}
_INPUT_CHARACTERS: Final = 100
_REASONING: Final = ("completion_reasoning", "output_reasoning")
"""What the dialects call the tokens of reasoning."""


class Spans:
    """Begun with the request. Handed from wrapper to wrapper in `current`; the root is ended by who began it."""

    def __init__(self, tracer: Tracer, root: Span, facts: Attributes, *, redact: Redactor, content: bool) -> None:
        self.root = root
        self._tracer = tracer
        self._redact = redact
        self._content = content
        self._facts: dict[str, AttributeValue] = dict(facts)  # what each span of this request says
        self._top = set_span_in_context(root, Context())
        self._here = self._top  # what rounds and tool calls hang from
        self._round: tuple[Span, int] | None = None  # the last round, and when it ended

    @property
    def facts(self) -> Mapping[str, str]:
        """What a log entry of this request bears."""
        return {"trace_id": format_trace_id(self.root.get_span_context().trace_id)}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step of the interception; the rounds and tool calls in here hang from it."""
        with self._span(_STEPS[name], self._top) as span:
            self._here = set_span_in_context(span, Context())
            try:
                yield
            finally:
                self._here = self._top

    @contextmanager
    def round(self) -> Iterator[Span]:
        """One upstream request. Its span is kept open a little longer, as its usage is known only after its end."""
        self._end_round()
        span = self._begin(Name.UPSTREAM, self._here, {Attribute.OPERATION: "chat"}, SpanKind.CLIENT)
        try:
            yield span
        except BaseException as error:
            blame(span, error)
            raise
        finally:
            self._round = span, time_ns()

    @contextmanager
    def tool_call(self, call: ToolCall) -> Iterator[Span]:
        """One call of an injected tool; its span is the current one in here, for what goes to the MCP server."""
        with (
            self._span(Name.TOOL_CALL, self._here, self._about_call(call)) as span,
            use_span(span, record_exception=False, set_status_on_exception=False),
        ):
            yield span

    @contextmanager
    def recording(self, name: Name, attributes: Attributes) -> Iterator[None]:
        """One thing handed to the recorder."""
        with self._span(name, self._top, attributes):
            yield

    def know(self, interception: Interception) -> None:
        """Takes what is known once the request has been read, for the spans from now on."""
        redact = self._redact
        self._facts |= {
            Attribute.USER_ID: redact(interception.actor.name),
            Attribute.PROVIDER: interception.provider_name,
            Attribute.MODEL: redact(interception.model),
            Attribute.STREAMING: interception.streaming,
            Attribute.GEN_AI_PROVIDER: interception.provider,
            Attribute.REQUEST_MODEL: redact(interception.model),
            Attribute.REQUEST_STREAM: interception.streaming,
        }
        if interception.session_id is not None:
            self._facts[Attribute.CONVERSATION] = redact(interception.session_id)
        self.root.set_attributes(self._facts)

    def used(self, usage: TokenUsage) -> None:
        """Takes what the last round used. By convention the input counts cached tokens too."""
        if self._round is None:
            return
        span, _ = self._round
        span.set_attributes(
            {
                Attribute.INPUT_TOKENS: usage.input + usage.cache_read + usage.cache_write,
                Attribute.OUTPUT_TOKENS: usage.output,
                Attribute.CACHE_READ_TOKENS: usage.cache_read,
                Attribute.CACHE_WRITE_TOKENS: usage.cache_write,
            }
        )
        said = {Attribute.RESPONSE_ID: usage.response_id, Attribute.RESPONSE_MODEL: usage.model}
        span.set_attributes({key: self._plain(text) for key, text in said.items() if text is not None})
        reasoning = next((usage.extra[name] for name in _REASONING if name in usage.extra), None)
        if reasoning is not None:
            span.set_attribute(Attribute.REASONING_TOKENS, reasoning)
        self._end_round()

    def conclude(self, outcome: Outcome) -> None:
        """Takes the end of the interception."""
        if outcome.error_type is not None:
            self.root.set_attribute(Attribute.ERROR_TYPE, outcome.error_type)
        if outcome.status == "failed":
            self.root.set_status(StatusCode.ERROR, outcome.error_type)

    def end(self) -> None:
        """Ends whatever is still open, the root too."""
        self._end_round()
        self.root.end()

    def _plain(self, text: str) -> str:
        """What a provider wrote, fit for an exporter: no secrets, no half an emoji."""
        return self._redact(text.encode(errors="replace").decode())

    def _about_call(self, call: ToolCall) -> Attributes:
        about: dict[str, AttributeValue] = {
            Attribute.OPERATION: "execute_tool",
            Attribute.TOOL_NAME: call.name,
            Attribute.TOOL_CALL_ID: call.id,
            Attribute.MCP_METHOD: "tools/call",
        }
        if call.tool is not None:
            about[Attribute.MCP_TOOL_NAME] = call.tool.raw_name
            about[Attribute.MCP_SERVER_NAME] = call.tool.server
            about[Attribute.MCP_SERVER_URL] = self._redact(call.tool.server_url)
        if self._content:
            about[Attribute.MCP_INPUT] = self._redact(call.text)[:_INPUT_CHARACTERS]
        return about

    def _end_round(self) -> None:
        if self._round is not None:
            (span, ended), self._round = self._round, None
            span.end(ended)

    @contextmanager
    def _span(self, name: Name, parent: Context, attributes: Attributes | None = None) -> Iterator[Span]:
        span = self._begin(name, parent, attributes or {})
        try:
            yield span
        except BaseException as error:
            blame(span, error)
            raise
        finally:
            span.end()

    def _begin(self, name: Name, parent: Context, attributes: Attributes, kind: SpanKind = SpanKind.INTERNAL) -> Span:
        return self._tracer.start_span(name, parent, kind, {**self._facts, **attributes})


class PassthroughSpans(Spans):
    """A request that is passed through unread has but one span."""

    @override
    @contextmanager
    def round(self) -> Iterator[Span]:
        yield self.root


current: ContextVar[Spans | None] = ContextVar("aibridge_spans", default=None)
"""The spans of the request that this task works for."""


def answered(span: Span, status: int) -> None:
    """Takes the HTTP status of the provider's answer."""
    span.set_attribute(Attribute.HTTP_STATUS, status)
    if status >= 400:
        fail(span, classify(status))


def judged(span: Span, result: ToolResult) -> None:
    """Takes what a tool's call came to."""
    if result.error is not None:
        fail(span, "tool")


def blame(span: Span, error: BaseException) -> None:
    """Takes what went wrong: its kind alone, never its words, which may quote anybody."""
    kind = error.type if isinstance(error, AibridgeError) else type(error).__name__
    if kind == "cancelled" or isinstance(error, CancelledError | GeneratorExit):
        span.set_attribute(Attribute.ERROR_TYPE, "cancelled")  # the client left; nothing is wrong
    else:
        fail(span, kind)


def fail(span: Span, kind: str) -> None:
    """Marks the span as failed."""
    span.set_attribute(Attribute.ERROR_TYPE, kind)
    span.set_status(StatusCode.ERROR, kind)
