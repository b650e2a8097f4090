"""A provider that is fast and does as it is told: the request's model names the script (see `ANSWERS`)."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import cast

import uvloop

from benchmarks import child, script

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
            self._answer(rest[:size])

    def _answer(self, body: bytes) -> None:
        name, number = script.model(body)
        match name:
            case b"blocking":
                self._transport.write(_completion())
            case b"bulk":
                self._transport.write(_bulk(number))
            case b"paced":
                self._transport.write(script.head())
                self._pace(iter(_texts(number)), self._loop.time())
            case b"first":
                self._transport.write(script.head())
                self._loop.call_later(script.FIRST_TOKEN_SECONDS, self._first_token, time.perf_counter())
            case b"tool":
                self._transport.write(_round(body, number))
            case b"idle":
                self._transport.write(script.head() + script.text(b"I am"))  # and nothing more
            case _:
                self._transport.write(script.refusal("no script is named like this model"))

    def _pace(self, events: Iterator[bytes], due: float) -> None:
        event = next(events, None)
        if self._transport.is_closing():
            return
        if event is None:
            self._transport.write(script.finish())
            return
        self._transport.write(event)
        due += script.CHUNK_SECONDS
        self._loop.call_at(due, self._pace, events, due)

    def _first_token(self, arrived: float) -> None:
        """The token says how long it was kept back, to the microsecond, whatever the timer made of it."""
        held = script.text(b"%.6f" % (time.perf_counter() - arrived))
        self._transport.write(held + script.finish())


def _round(body: bytes, number: int) -> bytes:
    """Calls the injected tool; once there is a result, answers."""
    if b'"role":"tool"' in body:
        return _bulk(number)
    name = script.injected_tool(body)
    if name is None:
        return script.refusal("no injected tool is offered")
    return script.head() + script.call(name) + script.finish(b"tool_calls")


@lru_cache
def _completion() -> bytes:
    return script.completion()


@lru_cache
def _texts(count: int) -> list[bytes]:
    return script.texts(count)


@lru_cache
def _bulk(count: int) -> bytes:
    return script.joined(_texts(count))


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", 0, backlog=2048)
    await child.announce(server.sockets[0].getsockname()[1])


if __name__ == "__main__":
    uvloop.run(main())
