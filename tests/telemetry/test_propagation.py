import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, get_current_span, use_span

from aibridge.model import Headers
from aibridge.telemetry.propagation import arrived, carry, tell

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01".encode()
ACCEPT = (b"accept", b"*/*")


def context_of(headers: Headers) -> SpanContext:
    return get_current_span(arrived(headers)).get_span_context()


def test_the_clients_trace_comes_in() -> None:
    context = context_of((ACCEPT, (b"traceparent", PARENT), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")))
    assert f"{context.trace_id:032x}" == TRACE
    assert context.is_remote
    assert dict(context.trace_state) == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((b"tracestate", b"a=1"),),
        ((b"traceparent", b"nonsense\xff"),),
        ((b"traceparent", PARENT), (b"traceparent", PARENT)),
    ],
)
def test_what_names_no_trace_or_contradicts_itself_is_none(headers: Headers) -> None:
    assert not context_of(headers).is_valid


def test_ours_goes_out_in_the_place_of_the_clients() -> None:
    span = NonRecordingSpan(
        SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1), trace_state=TraceState([("a", "1")]))
    )
    headers = ((b"traceparent", PARENT), ACCEPT, (b"tracestate", b"z=9"), (b"baggage", b"c=3"))
    assert carry(headers, span) == (
        ACCEPT,
        (b"baggage", b"c=3"),
        (b"traceparent", b"00-00000000000000000000000000000001-0000000000000002-01"),
        (b"tracestate", b"a=1"),
    )


def test_without_a_span_the_clients_goes_on() -> None:
    headers = ((b"traceparent", PARENT), ACCEPT)
    assert carry(headers, get_current_span()) == headers


def test_an_mcp_server_is_told_of_the_current_span() -> None:
    told: dict[str, str] = {}
    tell(told)
    assert told == {}
    with use_span(NonRecordingSpan(SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1)))):
        tell(told)
    assert told == {"traceparent": "00-00000000000000000000000000000001-0000000000000002-01"}
