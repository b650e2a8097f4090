"""The HTTP server: how it begins, and above all how it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx2
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aibridge.gateway import server as module
from aibridge.gateway.listening import listen
from aibridge.gateway.server import Server

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


def body(data: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


@dataclass
class App:
    """`/` answers at once, `/long` in two pieces; between them it waits, and says so where it is cut short."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    scopes: list[Scope] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        await send(START)
        if scope["path"] != "/long":
            await send(body(b"short"))
            return
        await send(body(b"begun, ", more=True))
        try:
            await self.go_on.wait()
            await send(body(b"done"))
        except asyncio.CancelledError:
            self.cancelled.set()
            await asyncio.shield(self._last_words(send))
            raise
        finally:
            self.over.set()

    async def _last_words(self, send: Send) -> None:
        await self.may_end.wait()
        await send(body(b"cut short"))


@dataclass
class Served:
    server: Server
    client: httpx2.AsyncClient
    stopped: list[str]
    running: asyncio.Task[None]

    async def end(self) -> None:
        async with asyncio.timeout(5):
            await self.running


@asynccontextmanager
async def serving(app: ASGIApp, grace: float = 60) -> AsyncIterator[Served]:
    stopped: list[str] = []
    with listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = Server(app, grace_seconds=grace, on_stop=lambda: stopped.append("stopped"))
        running = asyncio.create_task(server.run_on(listener))
        async with httpx2.AsyncClient(base_url=url, timeout=5, trust_env=False) as client:
            yield Served(server, client, stopped, running)
            if not running.done():
                server.stop()
                server.stop()
        async with asyncio.timeout(5):
            await running


@asynccontextmanager
async def open_request(served: Served) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """A request whose answer has begun; yields what reads the rest of it."""
    async with served.client.stream("GET", "/long") as response:
        pieces = response.aiter_text()
        assert await anext(pieces) == "begun, "

        async def rest() -> str:
            return "".join([piece async for piece in pieces])

        yield rest


async def test_it_serves_and_stops() -> None:
    async with serving(App()) as served:
        assert (await served.client.get("/")).text == "short"
        served.server.stop()
        await served.end()
        assert served.stopped == ["stopped"]
        with pytest.raises(httpx2.ConnectError):
            await served.client.get("/")


async def test_open_requests_finish_while_new_connections_are_answered() -> None:
    app = App()
    async with serving(app) as served, open_request(served) as rest:
        served.server.stop()
        enough = asyncio.get_running_loop().time() + 0.3  # it notices within 0.1 s that it is to stop
        while asyncio.get_running_loop().time() < enough:
            async with httpx2.AsyncClient(base_url=served.client.base_url, trust_env=False) as another:
                assert (await another.get("/")).text == "short"  # what it answers is the application's affair
        assert not served.running.done()
        app.go_on.set()
        assert await rest() == "done"
        await served.end()
        assert not app.cancelled.is_set()


async def test_after_the_grace_the_rest_is_ended_in_its_stream_and_that_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = App()
    app.may_end.set()
    async with serving(app, grace=0.05) as served, open_request(served) as rest:
        served.server.stop()
        assert await rest() == "cut short"
        await served.end()
    loud = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert loud == ["requests that are still open are ended: 1"]


async def test_the_second_stop_does_not_wait_and_the_third_does_not_interrupt_last_words() -> None:
    app = App()
    async with serving(app) as served, open_request(served) as rest:
        served.server.stop()
        served.server.stop()
        async with asyncio.timeout(5):
            await app.cancelled.wait()
        served.server.stop()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not app.over.is_set()
        app.may_end.set()
        assert await rest() == "cut short"
        await served.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_it(number: signal.Signals) -> None:
    app = App()
    async with serving(app) as served, open_request(served) as rest:
        signal.raise_signal(number)
        app.go_on.set()
        assert await rest() == "done"
        await served.end()
        assert served.stopped == ["stopped"]
        signal.raise_signal(number)  # while the rooms close behind it: it is heard, and harms nothing
        await asyncio.sleep(0)


async def test_signals_that_are_heeded_by_another_harm_nothing() -> None:
    with listen("127.0.0.1", 0) as listener:
        server = Server(App(), grace_seconds=60, on_stop=lambda: None)
        running = asyncio.create_task(server.run_on(listener, heeds_signals=False))
        while not server.started:  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        assert not server.should_exit
        server.stop()
        await running


async def test_a_client_that_does_not_read_cannot_hold_the_end_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_WORDS_SECONDS", 0.05)
    recorded, full = asyncio.Event(), asyncio.Event()

    async def flood(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        with suppress(TimeoutError):
            while True:
                await asyncio.wait_for(send(body(b"x" * 100_000, more=True)), 0.1)
        full.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.shield(send(body(b"cut short")))
            recorded.set()

    async with serving(flood, grace=0) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.client.base_url.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(5):
            await full.wait()
        served.server.stop()
        await served.end()
        assert recorded.is_set()
        writer.close()


async def test_a_cancellation_that_is_not_ours_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def cancels_itself(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    async with serving(cancels_itself) as served:
        assert (await served.client.get("/")).status_code == 500
    assert "Exception in ASGI application" in caplog.text


async def test_an_upgrade_is_plain_http_and_the_server_does_not_name_itself() -> None:
    app = App()
    async with serving(app) as served:
        response = await served.client.get("/", headers={"connection": "upgrade", "upgrade": "websocket"})
        assert (response.status_code, app.scopes[0]["type"]) == (200, "http")
        assert "server" not in response.headers


async def test_what_a_proxy_says_of_the_client_is_not_believed() -> None:
    app = App()
    async with serving(app) as served:
        await served.client.get("/", headers={"x-forwarded-for": "10.0.0.1", "x-forwarded-proto": "https"})
        assert (app.scopes[0]["client"][0], app.scopes[0]["scheme"]) == ("127.0.0.1", "http")
