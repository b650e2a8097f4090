"""The client: a few connections, each with one request after another, and little work beside the socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from benchmarks.processes import Process
from benchmarks.response import Response

SECONDS = 60.0
"""What one load may take before it counts as hung."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response. Times are in seconds since the request was sent."""

    body: bytes
    first: float  # until the first byte of the body
    whole: float


class Connection(asyncio.Protocol):
    """One connection to a server, for one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun: asyncio.Future[None] = self._loop.create_future()
        self._whole: asyncio.Future[None] = self._loop.create_future()
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by descent

    async def ask(self, request: bytes) -> Answer:
        """Sends a request and returns its answer. Raises RuntimeError where the status is not 200 or it is cut."""
        self._send(request)
        await self._whole
        return Answer(self._response.body, self._first, self._last)

    async def begin(self, request: bytes) -> None:
        """Sends a request whose answer has no end, and returns with the first of it."""
        self._send(request)
        await self._begun

    async def close(self) -> None:
        """Returns once the other side can see it."""
        self._transport.abort()
        await self._closed.wait()

    def _send(self, request: bytes) -> None:
        self._response = Response()
        self._begun = self._loop.create_future()
        self._whole = self._loop.create_future()
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        complete = self._response.feed(data)
        if not self._begun.done() and self._response.has_body:
            self._first = time.perf_counter() - self._sent
            self._begun.set_result(None)
        if complete:
            self._last = time.perf_counter() - self._sent
            self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()
        for waiting in (self._begun, self._whole):
            if not waiting.done():
                waiting.cancel("the connection was closed")

    def _settle(self) -> None:
        if self._whole.done():
            return
        if self._response.ok:
            self._whole.set_result(None)
        else:
            self._whole.set_exception(RuntimeError(f"{self._response.head!r} {self._response.body[:500]!r}"))


@asynccontextmanager
async def connections(process: Process, count: int) -> AsyncGenerator[list[Connection]]:
    """So many open connections to a process."""
    opened: list[Connection] = []
    try:
        for _ in range(count):
            _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", process.port)
            opened.append(connection)
        yield opened
    finally:
        for connection in opened:
            await connection.close()


async def ask_in_turn(opened: Sequence[Connection], request: bytes, count: int) -> None:
    """Sends so many requests, one after another on each connection and all connections at once."""
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        for number, connection in enumerate(opened):
            share = (count + number) // len(opened)
            group.create_task(_ask_often(connection, request, share))


async def ask_staggered(opened: Sequence[Connection], request: bytes, seconds: float) -> None:
    """Sends one request on each connection, their starts spread evenly over some seconds."""
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        for number, connection in enumerate(opened):
            group.create_task(_ask_later(connection, request, seconds * number / len(opened)))


async def _ask_later(connection: Connection, request: bytes, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await connection.ask(request)


async def _ask_often(connection: Connection, request: bytes, count: int) -> None:
    for _ in range(count):
        await connection.ask(request)
