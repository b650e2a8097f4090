"""The HTTP server on a loopback port, spoken to in bytes, with time that passes when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from aibridge.gateway.connection import Connection, ConnectionLimits
from aibridge.gateway.deadlines import Deadlines
from aibridge.gateway.listening import listen
from aibridge.gateway.server import Server
from tests.waiting import eventually

POST = b"POST / HTTP/1.1\r\nhost: x\r\n"


@dataclass
class Wire:
    """One connection of a client's."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        with suppress(ConnectionError):
            await self.writer.drain()

    async def rest(self) -> bytes:
        """All that the server says until it closes its side."""
        async with asyncio.timeout(5):
            return await self.reader.read()

    async def answer(self) -> bytes:
        """The next answer, which has a content-length."""
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return head + await self.reader.readexactly(length)


@dataclass
class Wired:
    """The server, and clients of it."""

    server: Server
    limits: ConnectionLimits
    wires: list[Wire] = field(default_factory=list)

    async def open(self, data: bytes = b"") -> Wire:
        """A new connection on which this is sent; returns when the server has it all."""
        before = set(self.connections)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
        self.wires.append(wire)
        await self.until(lambda: set(self.connections) - before)
        (connection,) = set(self.connections) - before
        await wire.send(data)
        await self.until(lambda: connection.received >= len(data) or connection not in self.connections)
        return wire

    @property
    def connections(self) -> list[Connection]:
        """The server's side of each."""
        return [one for one in self.server.server_state.connections if isinstance(one, Connection)]

    async def later(self, seconds: float) -> None:
        """The server looks at its connections now, and again when so many seconds seem to have passed."""
        deadlines, now = Deadlines(self.limits), asyncio.get_running_loop().time()
        await deadlines.look(self.connections, now)
        await deadlines.look(self.connections, now + seconds)

    async def until(self, true: Callable[[], object]) -> None:
        """Lets the server work until it is so."""
        await eventually(true)


@asynccontextmanager
async def wired(app: ASGIApp, limits: ConnectionLimits = ConnectionLimits()) -> AsyncIterator[Wired]:  # noqa: B008
    """Serves an application, and cuts what is open in the end."""
    with listen("127.0.0.1", 0) as listener:
        server = Server(app, grace_seconds=0, on_stop=lambda: None, limits=limits)
        running = asyncio.create_task(server.run_on(listener))
        world = Wired(server, limits)
        await world.until(lambda: server.started)
        try:
            yield world
        finally:
            for wire in world.wires:
                wire.writer.close()
            server.stop()
            server.stop()
            async with asyncio.timeout(10):
                await running


@dataclass
class Echo:
    """Answers with the body it got, and keeps what it was asked."""

    scopes: list[Scope] = field(default_factory=list)
    departures: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.departures += 1
                return
            body, more = body + message["body"], message["more_body"]
        head = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})
