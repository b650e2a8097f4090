import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from aibridge.testing import serve, serving, serving_in_thread


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def test_an_app_is_served_while_its_lifespan_runs(http: httpx2.AsyncClient) -> None:
    stages = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        stages.append("up")
        yield
        stages.append("down")

    async with serving(Starlette(routes=[Route("/", hello)], lifespan=lifespan)) as url:
        assert (await http.get(url)).text == "hello"
        assert stages == ["up"]
    assert stages == ["up", "down"]
    with pytest.raises(httpx2.ConnectError):
        await http.get(url)


async def test_a_lifespan_that_fails_is_an_error() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no disk"})

    with pytest.raises(RuntimeError, match="lifespan failed"):
        async with serving(failing):
            pass


async def test_abort_resets_the_connection_and_no_other(http: httpx2.AsyncClient) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if scope["path"] == "/abort":
            scope["abort"]()
            await receive()
        else:
            await PlainTextResponse("hello")(scope, receive, send)

    async with serving(app) as url, httpx2.AsyncClient(verify=False) as other:
        await other.get(url)
        with pytest.raises(httpx2.ReadError):
            await http.get(f"{url}/abort")
        assert (await other.get(url)).text == "hello"


async def test_leaving_ends_requests_that_would_go_on(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serve, "GRACE", 0.01)
    caplog.set_level(logging.CRITICAL)
    started, ended = asyncio.Event(), asyncio.Event()

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    async with serving(stubborn) as url:
        request = asyncio.create_task(http.get(url))
        await started.wait()
    with pytest.raises(httpx2.HTTPError):
        await request
    assert ended.is_set()


def test_a_thread_serves_synchronous_code() -> None:
    with serving_in_thread(Starlette(routes=[Route("/", hello)])) as url:
        assert httpx2.get(url, trust_env=False).text == "hello"
