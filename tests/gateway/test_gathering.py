"""Writing to a client: what becomes one write, and what waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx2
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aibridge.gateway import server
from aibridge.gateway.connection import Connection
from aibridge.gateway.gathering import Gathering
from aibridge.gateway.listening import listen
from aibridge.gateway.server import Server


def start(*headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": 200, "headers": headers}


def body(data: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


class Noting:
    """A transport that notes each write. Each one is a system call."""

    def __init__(self, transport: asyncio.Transport, writes: list[bytes]) -> None:
        self._transport = transport
        self._writes = writes

    def write(self, data: bytes) -> None:
        self._writes.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is written to the sockets of all clients."""
    noted: list[bytes] = []

    class Noted(Connection):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own
            super().connection_made(cast(asyncio.Transport, Noting(transport, noted)))

    monkeypatch.setattr(server, "Connection", Noted)
    return noted


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    with listen("127.0.0.1", 0) as listener:
        serves = Server(app, grace_seconds=0, on_stop=lambda: None)
        running = asyncio.create_task(serves.run_on(listener))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=url, timeout=5, trust_env=False) as client:
            yield client
        serves.stop()
        async with asyncio.timeout(5):
            await running


async def test_a_whole_answer_is_one_write(writes: list[bytes]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start((b"content-length", b"5")))
        await send(body(b"hello"))

    async with serving(app) as client:
        for _ in range(2):
            assert (await client.get("/")).text == "hello"
    assert [write.startswith(b"HTTP/1.1 200 OK\r\n") and write.endswith(b"\r\n\r\nhello") for write in writes] == [
        True,
        True,
    ]


async def test_a_streams_head_and_its_pieces_wait_for_nothing(writes: list[bytes]) -> None:
    go_on = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await go_on.wait()
        await send(body(b"first", more=True))
        await send(body(b"last", more=True))
        await send(body(b""))

    async with serving(app) as client, client.stream("GET", "/") as response:
        go_on.set()  # only now, when the head is here
        assert await response.aread() == b"firstlast"
    assert [write.endswith(b"\r\n\r\n") for write in writes[:1]] == [True]
    assert writes[1:] == [b"5\r\nfirst\r\n", b"4\r\nlast\r\n", b"0\r\n\r\n"]


async def test_all_is_sent_before_the_connection_closes(writes: list[bytes]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start((b"connection", b"close"), (b"content-length", b"100000")))
        await send(body(b"x" * 100_000))

    async with serving(app) as client:
        assert len((await client.get("/")).content) == 100_000


async def test_a_client_that_does_not_read_holds_up_who_never_pauses() -> None:
    sent, sent_when_held_up = 0, asyncio.get_running_loop().create_future()

    async def flood(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(start())
        asyncio.get_running_loop().call_soon(lambda: sent_when_held_up.set_result(sent))  # when it has to wait
        for sent in range(10_000):  # noqa: B007  it is looked at meanwhile
            await send(body(b"x" * 10_000, more=True))
        await send(body(b""))

    async with serving(flood) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        async with asyncio.timeout(10):
            assert await sent_when_held_up < 5_000
            assert len(await reader.read()) > 100_000_000  # and nothing is lost
        writer.close()


class Wire(asyncio.Transport):
    """A transport that notes what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes | str] = []
        self.closing = False

    def write(self, data: Any) -> None:
        self.asked.append(data)

    def close(self) -> None:
        self.closing = True
        self.asked.append("close")

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def gathering(wire: Wire) -> Gathering:
    return Gathering(wire)


HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


async def test_a_head_goes_out_with_what_follows_it_and_the_rest_at_once(wire: Wire, gathering: Gathering) -> None:
    gathering.write(HEAD)
    assert wire.asked == []
    gathering.write(b"a")
    gathering.write(b"b")
    assert wire.asked == [HEAD + b"a", b"b"]
    await asyncio.sleep(0)
    assert wire.asked == [HEAD + b"a", b"b"]


async def test_a_head_that_nothing_follows_goes_out_at_the_next_turn(wire: Wire, gathering: Gathering) -> None:
    gathering.write(HEAD)
    await asyncio.sleep(0)
    assert wire.asked == [HEAD]


async def test_closing_sends_what_is_written(wire: Wire, gathering: Gathering) -> None:
    gathering.write(HEAD)
    gathering.close()
    await asyncio.sleep(0)
    assert wire.asked == [HEAD, "close"]


async def test_nothing_is_written_to_a_connection_that_is_lost(wire: Wire, gathering: Gathering) -> None:
    gathering.write(HEAD)
    wire.close()
    await asyncio.sleep(0)
    assert wire.asked == ["close"]
    assert gathering.is_closing()
