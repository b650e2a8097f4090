"""Which paths lead where, and that no trick leads anywhere else."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from aibridge.testing import answer
from tests.gateway.serving import Served, chat, gateway


async def raw(served: Served, request: bytes) -> bytes:
    """Sends bytes as they are, and reads the whole response."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


async def test_named_routes_and_aliases() -> None:
    async with gateway(answer("Noon.")) as served:
        for path in ("/openai/v1/chat/completions", "/v1/chat/completions"):
            response = await served.ask(path)
            assert response.status_code == 200
        assert [request.path for request in served.provider.requests] == ["/v1/chat/completions"] * 2


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/openai/v1/chat/completions"),
        ("POST", "/openai/v1/chat/completions/"),
        ("POST", "/openai/chat/completions"),
        ("POST", "/openai/v1/files"),
        ("POST", "/nobody/v1/chat/completions"),
        ("POST", "/openai/v1/models"),
        ("GET", "/openai"),
        ("GET", "/"),
    ],
)
async def test_an_unknown_route_is_404_in_openais_form(method: str, path: str) -> None:
    async with gateway(answer("no")) as served:
        response = await served.client.request(method, path)

        assert response.status_code == 404
        assert response.json()["error"]["message"] == f"There is no route {method} {path}."
        assert served.provider.requests == []


async def test_an_unknown_route_of_anthropic_is_404_in_its_form() -> None:
    async with gateway(answer("no")) as served:
        for path in ("/anthropic/v1/files", "/v1/messages/batches"):
            response = await served.client.get(path)
            assert response.status_code == 404
            assert response.json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/openai/v1/../admin",
            "/openai/v1/./chat/completions",
            "/openai/v1/models/..",
            "/openai//v1/chat/completions",
        ),
        *("//openai/v1/chat/completions", "/openai/v1/models/%2e%2e", "/openai/v1%2fchat/completions"),
        *("/openai/v1/chat/completions;x=1", "/openai/v1/chat%2Fcompletions", "/openai/v1/models/a%00b"),
        *("http://evil.example/v1/chat/completions", "/openai/v1/models/\\..\\", "/openai/v1/models/%c0%ae"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_path_tricks_touch_no_upstream(method: str, path: str) -> None:
    async with gateway(answer("no")) as served:
        request = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}"
        response = await raw(served, request.encode())

        assert response.split(b" ")[1] in (b"400", b"404")
        assert served.provider.requests == []


@pytest.mark.parametrize(
    "framing",
    [
        "content-length: 2\r\ntransfer-encoding: chunked",
        "content-length: 2\r\ncontent-length: 3",
        "transfer-encoding: chunked\r\nx: y\r\n\r\nzz",
    ],
)
async def test_bodies_of_two_lengths_are_refused_and_the_connection_closed(framing: str) -> None:
    async with gateway(answer("no")) as served:
        request = f"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n\r\n{{}}"
        response = await raw(served, request.encode())

        assert response.split(b" ")[1] == b"400"
        assert served.provider.requests == []


async def test_ansi_in_a_header_is_refused() -> None:
    async with gateway(answer("no")) as served:
        response = await served.client.post("/v1/chat/completions", json=chat(), headers={"x-odd": "\x1b[31m"})
        assert response.status_code == 400
        assert served.provider.requests == []


async def test_a_websocket_is_told_to_come_over_http() -> None:
    async with gateway(answer("no")) as served:
        upgrade = "upgrade: websocket\r\nconnection: upgrade, close\r\nsec-websocket-key: eA==\r\n"
        response = await raw(served, f"GET /openai/v1/responses HTTP/1.1\r\nhost: localhost\r\n{upgrade}\r\n".encode())
        assert response.split(b" ")[1] == b"426"
        assert b"POST the same request over HTTP" in response


async def test_pages_of_our_own_are_found_below_their_prefix() -> None:
    async def shown(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(scope["path"])(scope, receive, send)

    async with gateway(pages={"/ui/": shown}) as served:
        for path in ("/ui/", "/ui/log", "/ui/interceptions/1"):
            assert (await served.client.get(path)).text == path
        assert (await served.client.get("/uix")).status_code == 404
