"""Server-sent events: no byte is lost, and where they are cut does not matter."""

from __future__ import annotations

from aibridge.errors import UpstreamError
from aibridge.sse import Decoder, Event, encode
from tests.fuzz.bounds import bounded, watched
from tests.fuzz.dice import Dice

_LIMIT = 4096


def sse(data: bytes) -> None:
    """One input: how it is cut, then the stream."""
    dice = Dice(data)
    sizes = [1 + dice.below(9) for _ in range(3)]
    stream = dice.rest()
    with watched(len(data)):
        whole = _events([stream])
        assert _events(_cut(stream, sizes)) == whole
    told = b"".join(event.raw for event in whole)
    assert stream.startswith(told)
    assert not stream[len(told) :].strip()
    bounded(len(data), sum(len(event.raw) + len(event.data) + len(event.name) for event in whole))
    _comes_back(stream)


def _events(pieces: list[bytes]) -> list[Event]:
    decoder = Decoder(_LIMIT)
    events: list[Event] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
    except UpstreamError:
        raise AssertionError("an input is never as large as the limit") from None
    return events + list(decoder.flush())


def _cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    at = 0
    while at < len(stream):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(stream[at : at + size])
        at += size
    return pieces


def _comes_back(data: bytes) -> None:
    """What we write is what is read."""
    data = data.replace(b"\r", b"")
    [event] = Decoder().feed(encode(data, b"name"))
    assert (event.data, event.name) == (data, b"name")
