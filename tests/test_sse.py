"""Bytes in, events out: against a slow reading of the standard, however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aibridge.errors import UpstreamError
from aibridge.sse import Decoder, Event, encode

BOM = b"\xef\xbb\xbf"


def decode(*pieces: bytes) -> list[Event]:
    decoder = Decoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + list(decoder.flush())


def lines_of(data: bytes) -> list[bytes]:
    """Byte by byte: CRLF, LF and CR each end a line; what follows the last one is a line too."""
    lines, line, previous = [], b"", b""
    for number in data:
        byte = bytes([number])
        if byte == b"\n" and previous == b"\r":
            pass  # the second half of CRLF
        elif byte in (b"\r", b"\n"):
            lines.append(line)
            line = b""
        else:
            line += byte
        previous = byte
    return [*lines, line]


def reference(data: bytes) -> list[tuple[bytes, bytes]]:
    """Data and name of each event with data, as the standard's interpretation of a stream has it, line by line."""
    events: list[tuple[bytes, bytes]] = []
    name, values = b"", list[bytes]()
    for line in [*lines_of(data.removeprefix(BOM)), b""]:  # the end completes an event here
        if not line:
            events.append((b"\n".join(values), name))
            name, values = b"", []
            continue
        field, value = line.split(b":", 1) if b":" in line else (line, b"")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            values.append(value)
        if field == b"event":
            name = value
    return [(joined, name) for joined, name in events if joined]


tokens = [b"data: ", b"data:", b"data", b"event: ", b"event", b": ", b":", b"id: 7", b"retry: 1", b" ", BOM, b"\x00"]
tokens += [
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"\r\r",
    b"data: {",
    b"}",
    b"x",
    b"[DONE]",
    b"\xff",
    b"\xe2\x80\xa8",
]
streams = st.lists(st.sampled_from(tokens), max_size=40).map(b"".join)


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    data = draw(streams)
    cuts = sorted(draw(st.sets(st.integers(0, len(data)))))
    return data, [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]


@given(cut_streams())
@example((b"data: {\rdata: }\n\n", [b"data: {\rdata: }\n\n"]))
@example((b"data: a\r\n\r\n", [b"data: a\r\n\r", b"\n"]))
@example((b"data: a\r\rdata: b", [b"data: a\r", b"\rdata: b"]))
def test_it_reads_as_the_standard_does(stream: tuple[bytes, list[bytes]]) -> None:
    data, pieces = stream
    assert [(event.data, event.name) for event in decode(*pieces) if event.data] == reference(data)


@given(cut_streams())
def test_every_byte_is_in_one_event(stream: tuple[bytes, list[bytes]]) -> None:
    data, pieces = stream
    kept = b"".join(event.raw for event in decode(*pieces))
    assert data.startswith(kept)
    assert not data[len(kept) :].strip()


@given(cut_streams())
def test_the_cuts_do_not_show(stream: tuple[bytes, list[bytes]]) -> None:
    data, pieces = stream
    assert decode(*pieces) == decode(data) == decode(*(data[at : at + 1] for at in range(len(data))))


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [(b"a", b"")]),
        (b"data:a\n\n", [(b"a", b"")]),
        (b"data:  a\n\n", [(b" a", b"")]),
        (b"data: a\ndata: b\n\n", [(b"a\nb", b"")]),
        (b"event: ping\ndata: {}\n\n", [(b"{}", b"ping")]),
        (b": keepalive\n\ndata: a\n\n", [(b"", b""), (b"a", b"")]),
        (b": a remark\ndata: a\n\n", [(b"a", b"")]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [(b"a", b""), (b"b", b""), (b"c", b"")]),
        (BOM + b"data: a\n\n", [(b"a", b"")]),
        (b"data: a\n\n" + BOM + b"data: b\n\n", [(b"a", b""), (b"", b"")]),
        (b"data: a", [(b"a", b"")]),
        (b"data: a\n", [(b"a", b"")]),
        (b"id: 1\nretry: 5\ndata: a\n\n", [(b"a", b"")]),
        (b"data: caf\xc3\xa9\xe2\x80\xa8 \xff\n\n", [("café\u2028 ".encode() + b"\xff", b"")]),
        (b"\n\n", [(b"", b"")]),
        (b"\n", []),
        (b"", []),
    ],
)
def test_forms_of_an_event(stream: bytes, events: list[tuple[bytes, bytes]]) -> None:
    assert [(event.data, event.name) for event in decode(stream)] == events


def test_an_event_comes_as_soon_as_it_is_whole() -> None:
    decoder = Decoder()

    assert list(decoder.feed(b"data: a\n")) == []
    assert list(decoder.feed(b"\ndata: b")) == [Event(b"data: a\n\n", b"a")]
    assert list(decoder.feed(b"\r\n\r")) == []  # half a line end, perhaps
    assert list(decoder.feed(b"\n")) == [Event(b"data: b\r\n\r\n", b"b")]
    assert list(decoder.flush()) == []


def test_what_was_flushed_is_gone() -> None:
    decoder = Decoder()
    assert list(decoder.feed(b"data: a")) == []
    assert list(decoder.flush()) == [Event(b"data: a", b"a")]
    assert list(decoder.flush()) == []


def test_an_event_beyond_the_limit_ends_the_stream() -> None:
    decoder = Decoder(limit=100)
    assert list(decoder.feed(b"data: a\n\ndata: ")) == [Event(b"data: a\n\n", b"a")]
    assert list(decoder.feed(b"b" * 95)) == []
    with pytest.raises(UpstreamError, match="an event of more than 100 bytes"):
        list(decoder.feed(b"c"))


def test_many_small_events_are_no_large_one() -> None:
    decoder = Decoder(limit=100)
    for _ in range(50):
        assert len(list(decoder.feed(b"data: a\n\n" * 50))) == 50


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    "line",
    [b"data: " + b"x" * 20_000_000, b"data: x\n" * 400_000, b"data: x\r\n" * 200_000],
    ids=["one line", "many LF", "many CRLF"],
)
def test_a_large_event_in_many_pieces_takes_linear_time(line: bytes, line_end: bytes) -> None:
    """Joining what has come with every piece would take minutes."""
    data = line.rstrip() + line_end * 2
    started = process_time()
    events = decode(*(data[at : at + 65536] for at in range(0, len(data), 65536)))

    assert process_time() - started < 5
    assert b"".join(event.raw for event in events) == data


@given(st.binary(max_size=50).filter(lambda data: b"\r" not in data), st.sampled_from([b"", b"error", b"ping"]))
def test_what_is_encoded_is_decoded(data: bytes, name: bytes) -> None:
    [event] = decode(encode(data, name))
    assert (event.data, event.name) == (data, name)


def test_the_form_on_the_wire() -> None:
    assert encode(b"{}") == b"data: {}\n\n"
    assert encode(b"{}", b"error") == b"event: error\ndata: {}\n\n"
    assert encode(b"{\n}") == b"data: {\ndata: }\n\n"
