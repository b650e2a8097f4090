"""Server-sent events, sans-IO: bytes in, events out, however the bytes are cut.

The grammar is https://html.spec.whatwg.org/multipage/server-sent-events.html, with two liberties that providers take:
a last event without its blank line counts, and every event keeps the bytes it came as, comments included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from aibridge.errors import UpstreamError

MAX_EVENT_BYTES = 64 * 1024 * 1024
"""What one event may hold before the stream is given up."""

_BOM = b"\xef\xbb\xbf"
# A blank line ends an event. A carriage return at the very end of what has come may be half a line end, so it waits.
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n|\Z)){2}")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class Event(NamedTuple):
    """One event of a stream; a block of comments alone is an event without data."""

    raw: bytes  # the bytes it came as, its blank line included
    data: bytes  # its data lines, joined by line feeds
    name: bytes = b""  # its `event` field


class Decoder:
    """Cuts a stream into events. Feed it bytes; flush it when the stream ends."""

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []  # of the event that is not whole yet
        self._size = 0
        self._seam = b""  # its last bytes: they may be the start of a blank line
        self._started = False

    @property
    def idle(self) -> bool:
        """Whether no event is under way."""
        return not self._size

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yields the events that are whole now. Raises UpstreamError where the one under way exceeds the limit."""
        if self._size > self._limit:
            raise UpstreamError(f"the provider sent an event of more than {self._limit} bytes")
        if not self._size and is_lone(data):  # as events nearly always come
            self._seam = data[-3:]
            yield self._event(data)
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._ends_one(data):
            *blocks, rest = self._split(b"".join(self._pieces))
            self._pieces, self._size = [rest], len(rest)
            for block in blocks:
                yield self._event(block)

    def flush(self) -> Iterator[Event]:
        """Yields the event that the stream's end completes, if there is one."""
        rest, self._pieces = b"".join(self._pieces), []
        if rest.strip():
            yield self._event(rest)

    def _ends_one(self, data: bytes) -> bool:
        """Whether a blank line may have come with this piece: if not, a long event isn't joined again and again."""
        recent = self._seam + data
        self._seam = recent[-3:]
        return b"\n\n" in recent or (b"\r" in recent and _BLANK_LINE.search(recent) is not None)

    def _split(self, buffer: bytes) -> list[bytes]:
        if b"\r" not in buffer:
            *blocks, rest = buffer.split(b"\n\n")
            return [*(block + b"\n\n" for block in blocks), rest]
        ends = [0, *(match.end() for match in _BLANK_LINE.finditer(buffer)), len(buffer)]
        return [buffer[start:end] for start, end in pairwise(ends)]

    def _event(self, raw: bytes) -> Event:
        text = raw
        if not self._started:
            self._started, text = True, raw.removeprefix(_BOM)
        return _read(raw, text) or _parse(raw, text)


def is_lone(data: bytes) -> bool:
    """Whether these bytes are surely one whole event and nothing else."""
    return -1 < data.find(b"\n\n") == len(data) - 2 and b"\r" not in data


def _read(raw: bytes, text: bytes) -> Event | None:
    """The forms that matter for speed: a single line of data, with or without a name before it."""
    begin = text.find(b"\n") + 1 if text.startswith(b"event: ") else 0
    if not text.startswith(b"data: {", begin) or text.find(b"\n", begin) != len(text) - 2 or b"\r" in text:
        return None
    return Event(raw, text[begin + 6 : -2], text[7 : begin - 1] if begin else b"")


def _parse(raw: bytes, text: bytes) -> Event:
    data: list[bytes] = []
    name = b""
    for line in _LINE_END.split(text):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return Event(raw, b"\n".join(data), name)


def encode(data: bytes, name: bytes = b"") -> bytes:
    """One event, as it goes on the wire; a line feed in its data starts another data line."""
    data = data.replace(b"\n", b"\ndata: ")
    if name:
        return b"event: %b\ndata: %b\n\n" % (name, data)
    return b"data: %b\n\n" % data
