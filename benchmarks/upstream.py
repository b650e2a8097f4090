"""A provider that is fast and does as it is told: the path names the dialect, the request's model the script."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from itertools import cycle
from typing import cast

import uvloop

from benchmarks import child, script
from benchmarks.dialects import DIALECTS, Dialect

_BY_PATH = {dialect.path.encode(): dialect for dialect in DIALECTS.values()}
_slots = cycle(range(script.SLOTS))
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


class Provider(asyncio.Protocol):
    """One connection: HTTP/1.1 with keep-alive, and as little of it as our clients need."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by descent

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if found and len(rest) >= size:
            self._buffer = rest[size:]
            self._answer(_BY_PATH[head.split(b" ", 2)[1]], rest[:size])

    def _answer(self, dialect: Dialect, body: bytes) -> None:
        name, number = script.model(body)
        match name:
            case b"blocking":
                self._transport.write(_whole(dialect))
            case b"bulk":
                self._transport.write(_bulk(dialect, number))
            case b"paced":
                self._transport.write(script.HEAD + dialect.opening())
                self._pace_from(self._next_slot(), iter(_paced(dialect, number)))
            case b"first":
                self._transport.write(script.HEAD)
                self._loop.call_later(script.FIRST_TOKEN_SECONDS, self._first_token, dialect, time.perf_counter())
            case b"tool":
                self._transport.write(_round(dialect, body, number))
            case b"idle":
                self._transport.write(script.HEAD + dialect.opening() + dialect.text(b"I am", 0))  # and nothing more
            case _:
                self._transport.write(script.refusal("no script is named like this model"))

    def _next_slot(self) -> float:
        """When the next stream's first chunk is due: all streams are spread evenly over the time between two chunks.

        When their requests come depends on who sends them on; left to that, some systems would be woken for each
        chunk and others for a handful.
        """
        begun = self._loop.time() // script.CHUNK_SECONDS + 1
        return (begun + next(_slots) / script.SLOTS) * script.CHUNK_SECONDS

    def _pace_from(self, due: float, events: Iterator[bytes]) -> None:
        self._loop.call_at(due, self._pace, events, due)

    def _pace(self, events: Iterator[bytes], due: float) -> None:
        event = next(events, None)
        if event is None or self._transport.is_closing():
            return
        self._transport.write(event)
        self._pace_from(due + script.CHUNK_SECONDS, events)

    def _first_token(self, dialect: Dialect, arrived: float) -> None:
        """The token says how long it was kept back, to the microsecond, whatever the timer made of it."""
        held = dialect.text(b"%.6f" % (time.perf_counter() - arrived), 0)
        self._transport.write(dialect.opening() + held + dialect.ending(1) + script.END)


def _round(dialect: Dialect, body: bytes, number: int) -> bytes:
    """Calls the injected tool; once there is a result, answers."""
    if dialect.result_mark in body:
        return _bulk(dialect, number)
    name = script.injected_tool(body)
    if name is None:
        return script.refusal("no injected tool is offered")
    return script.HEAD + dialect.call(name) + script.END


@lru_cache
def _whole(dialect: Dialect) -> bytes:
    return script.whole(dialect.answer())


@lru_cache
def _paced(dialect: Dialect, count: int) -> list[bytes]:
    """What comes after the opening, one by one."""
    return [*dialect.texts(count), dialect.ending(count) + script.END]


@lru_cache
def _bulk(dialect: Dialect, count: int) -> bytes:
    """A whole stream in one piece."""
    return script.HEAD + dialect.opening() + b"".join(_paced(dialect, count))


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", 0, backlog=2048)
    await child.announce(server.sockets[0].getsockname()[1])


if __name__ == "__main__":
    uvloop.run(main())
