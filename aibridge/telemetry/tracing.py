"""Whether there are spans, where they begin and where they go. Without an endpoint not one is made."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol, final

from opentelemetry.trace import SpanKind

from aibridge import __version__
from aibridge.model import Headers
from aibridge.ports import Recorder, Toolboxes, Upstreams
from aibridge.telemetry import spans
from aibridge.telemetry.names import Attribute, Name
from aibridge.telemetry.propagation import arrived
from aibridge.telemetry.redaction import Redactor
from aibridge.telemetry.spans import PassthroughSpans, Spans
from aibridge.telemetry.traced import TracedRecorder, TracedToolboxes, TracedUpstreams

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

_EXPORT_PATH: Final = "/v1/traces"
_LAST_EXPORT: Final = 5.0
"""Seconds that the last spans have to leave when the process ends."""


class Steps(Protocol):
    """What the gateway marks while it works on an interception."""

    @property
    def facts(self) -> Mapping[str, str]: ...

    def step(self, name: str) -> AbstractContextManager[None]: ...


class Tracing(Protocol):
    """Spans around requests and around ports."""

    def intercept(self, interception_id: str, path: str, headers: Headers) -> AbstractContextManager[Steps]: ...

    def passthrough(self, provider: str, path: str, headers: Headers) -> AbstractContextManager[None]: ...

    def upstreams(self, inner: Upstreams) -> Upstreams: ...

    def toolboxes(self, inner: Toolboxes) -> Toolboxes: ...

    def recorder(self, inner: Recorder) -> Recorder: ...

    async def close(self) -> None: ...


@final
class NoTracing:
    """Leaves everything as it is."""

    facts: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._nothing: AbstractContextManager[None] = nullcontext()
        self._steps: AbstractContextManager[Steps] = nullcontext(self)

    def step(self, name: str) -> AbstractContextManager[None]:
        return self._nothing

    def intercept(self, interception_id: str, path: str, headers: Headers) -> AbstractContextManager[Steps]:
        return self._steps

    def passthrough(self, provider: str, path: str, headers: Headers) -> AbstractContextManager[None]:
        return self._nothing

    def upstreams(self, inner: Upstreams) -> Upstreams:
        return inner

    def toolboxes(self, inner: Toolboxes) -> Toolboxes:
        return inner

    def recorder(self, inner: Recorder) -> Recorder:
        return inner

    async def close(self) -> None: ...


@final
class OpenTelemetry:
    """Makes spans with OpenTelemetry's SDK and hands them to a processor. The provider is no global one."""

    def __init__(self, processor: SpanProcessor, redact: Redactor, *, capture_content: bool = False) -> None:
        # Imported here, so that a gateway without traces neither loads nor pays for the SDK.
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        resource = Resource.create({"service.name": "aibridge", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("aibridge", __version__)
        self._redact = redact
        self._content = capture_content

    @contextmanager
    def intercept(self, interception_id: str, path: str, headers: Headers) -> Iterator[Steps]:
        facts = {Attribute.REQUEST_PATH: self._redact(path), Attribute.INTERCEPTION_ID: interception_id}
        with self._request(Spans, Name.INTERCEPT, facts, headers) as made:
            yield made

    @contextmanager
    def passthrough(self, provider: str, path: str, headers: Headers) -> Iterator[None]:
        facts = {Attribute.REQUEST_PATH: self._redact(path), Attribute.PROVIDER: provider}
        with self._request(PassthroughSpans, Name.PASSTHROUGH, facts, headers):
            yield

    def upstreams(self, inner: Upstreams) -> Upstreams:
        return TracedUpstreams(inner)

    def toolboxes(self, inner: Toolboxes) -> Toolboxes:
        return TracedToolboxes(inner)

    def recorder(self, inner: Recorder) -> Recorder:
        return TracedRecorder(inner)

    async def close(self) -> None:
        """Sends what is left. A collector that does not answer is given up after five seconds."""
        last = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        last.start()
        await asyncio.to_thread(last.join, _LAST_EXPORT)

    @contextmanager
    def _request(
        self, kind: type[Spans], name: Name, facts: Mapping[Attribute, str], headers: Headers
    ) -> Iterator[Spans]:
        attributes = {key.value: value for key, value in facts.items()}
        root = self._tracer.start_span(name, arrived(headers), SpanKind.SERVER, attributes)
        made = kind(self._tracer, root, attributes, redact=self._redact, content=self._content)
        token = spans.current.set(made)
        try:
            yield made
        except BaseException as error:
            spans.blame(root, error)
            raise
        finally:
            spans.current.reset(token)
            made.end()


def connect(endpoint: str | None, redact: Redactor, *, capture_content: bool = False) -> Tracing:
    """Tracing to an OTLP/HTTP collector, by its base URL or its whole address; without one, none."""
    if endpoint is None:
        return NoTracing()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    address = endpoint.rstrip("/").removesuffix(_EXPORT_PATH) + _EXPORT_PATH
    processor = BatchSpanProcessor(OTLPSpanExporter(address))
    return OpenTelemetry(processor, redact, capture_content=capture_content)
