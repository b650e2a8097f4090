"""W3C trace context: in from the client, out to providers and MCP servers. Baggage is left as it is."""

from __future__ import annotations

from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from aibridge.model import Headers

_W3C: Final = TraceContextTextMapPropagator()
_PARENT: Final = b"traceparent"
_STATE: Final = b"tracestate"


def arrived(headers: Headers) -> Context:
    """The context that the client's headers name; an empty one where they name none, or contradict themselves."""
    parents = [value for name, value in headers if name == _PARENT]
    if len(parents) != 1:
        return Context()
    states = [value.decode("latin-1") for name, value in headers if name == _STATE]
    return _W3C.extract({"traceparent": [parents[0].decode("latin-1")], "tracestate": states}, Context())


def tell(carrier: dict[str, str]) -> None:
    """Adds the current span; nothing where there is none."""
    _W3C.inject(carrier)


def carry(headers: Headers, span: Span) -> Headers:
    """The headers, with this span in the place of the client's."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, set_span_in_context(span, Context()))
    if not carrier:
        return headers
    kept = tuple(header for header in headers if header[0] not in (_PARENT, _STATE))
    return kept + tuple((name.encode("ascii"), value.encode("latin-1")) for name, value in carrier.items())
