"""A scripted provider on loopback that speaks raw bytes, so that a test decides what is on the wire and when."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import psutil

from aibridge.model import Credential, Headers, Target
from aibridge.ports import Upstream
from aibridge.providers import OPENAI, Provider
from aibridge.upstream import Account, BreakerSettings, UpstreamClient
from aibridge.upstream.breakers import Watch, unwatched
from aibridge.upstream.clock import REAL, Clock
from aibridge.upstream.response import Response
from tests.clocks import steps

OWN_KEY = "sk-canary-of-the-gateway-0001"
OTHER_KEY = "sk-canary-of-the-gateway-0002"
CALLERS_KEY = "sk-canary-of-the-caller-0003"
QUERY = b"canary=of-the-query"
OTHER = Credential("centralized", (b"authorization", b"Bearer " + OTHER_KEY.encode()), "sk-…0002")
CENTRALIZED = Credential("centralized", (b"authorization", b"Bearer " + OWN_KEY.encode()), "sk-…0001")
BYOK = Credential("byok", (b"authorization", b"Bearer " + CALLERS_KEY.encode()), "sk-…0003")


@dataclass
class Received:
    line: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Connection:
    """One accepted connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def receive(self) -> Received:
        head = await self.reader.readuntil(b"\r\n\r\n")
        line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        headers = [cast(tuple[bytes, bytes], tuple(field.split(b": ", 1))) for field in fields]
        length = next((int(value) for name, value in headers if name.lower() == b"content-length"), 0)
        return Received(line, headers, await self.reader.readexactly(length))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Returns once the other side has closed the connection."""
        with suppress(OSError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        self.writer.transport.abort()


Script = Callable[[Connection], Awaitable[None]]


@dataclass
class FakeProvider:
    port: int
    scheme: str = "http"
    host: str = "127.0.0.1"
    connections: int = 0
    received: list[Received] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}/v1"

    def named(self, host: str) -> FakeProvider:
        """The same, by another name."""
        return FakeProvider(self.port, self.scheme, host)


@asynccontextmanager
async def serve(script: Script, context: ssl.SSLContext | None = None) -> AsyncIterator[FakeProvider]:
    """Runs the script once for each connection, which is closed at its end."""
    tasks: set[asyncio.Task[None]] = set()
    provider = FakeProvider(0, "https" if context else "http")

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        provider.connections += 1
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await script(Connection(reader, writer))
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(run(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await steps(3)


@asynccontextmanager
async def replying(*replies: bytes) -> AsyncIterator[FakeProvider]:
    """A provider that keeps connections open, answers with each of the replies in turn, and the last for ever."""
    left = list(replies)

    async def script(connection: Connection) -> None:
        while True:
            provider.received.append(await connection.receive())
            await connection.send(left.pop(0) if len(left) > 1 else left[0])

    async with serve(script) as provider:
        yield provider


@asynccontextmanager
async def client(
    provider: FakeProvider,
    *,
    limit: int = 0,
    connect: float = 5,
    first_byte: float = 300,
    idle: float = 300,
    proxy: str | None = None,
    ca_file: Path | None = None,
    retries: int = 0,
    breaker: BreakerSettings | None = None,
    credentials: Sequence[Credential] = (),
    clock: Clock = REAL,
    watch: Watch = unwatched,
) -> AsyncIterator[UpstreamClient]:
    """A client that knows this one provider, as `openai`."""
    told = Provider("openai", OPENAI, provider.base_url, api_keys=(OWN_KEY, OTHER_KEY))
    account = Account(told, connect, first_byte, idle, proxy, ca_file, retries, breaker, credentials)
    upstreams = UpstreamClient([account], limit=limit, clock=clock, watch=watch)
    try:
        yield upstreams
    finally:
        await upstreams.aclose()


@asynccontextmanager
async def opened(script: Script, *, first_byte: float = 300, idle: float = 300) -> AsyncIterator[Response]:
    """The answer to one request to a provider that follows a script."""
    async with (
        asyncio.timeout(10),
        serve(script) as provider,
        client(provider, first_byte=first_byte, idle=idle) as upstreams,
        upstreams.bind(target(query=QUERY)).open(b"{}") as response,
    ):
        yield response


async def collect(answer: AbstractAsyncContextManager[Response], got: list[bytes], seen: asyncio.Event) -> None:
    """Reads an answer to its end, slower than it comes; `seen` is set at each piece."""
    async with answer as response:
        async for piece in response:
            got.append(piece)
            seen.set()
            await steps(20)


def sockets_to(provider: FakeProvider) -> int:
    """How many sockets of this process lead to a provider."""
    found = psutil.Process().net_connections("tcp")
    return sum(socket.raddr.port == provider.port for socket in found if socket.status != psutil.CONN_LISTEN)


def target(
    path: str = "/chat/completions",
    query: bytes = b"",
    headers: Headers = ((b"content-type", b"application/json"),),
    credential: Credential | None = CENTRALIZED,
    method: str = "POST",
    model: str = "gpt-5",
) -> Target:
    return Target("openai", method, path, query, headers, credential, model)


async def read(upstream: Upstream, body: bytes = b"{}") -> tuple[int, Headers, bytes]:
    """One request and its whole answer."""
    async with upstream.open(body) as response:
        return response.status, response.headers, b"".join([piece async for piece in response])


def reply(body: bytes = b"{}", status: str = "200 OK", headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n%b\r\n%b" % (status.encode(), len(body), headers, body)


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
