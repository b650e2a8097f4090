"""The transport as httpx2 sees it."""

import httpx2
import pytest

from aibridge.upstream.connections import Connections
from aibridge.upstream.transport import AiohttpTransport
from aibridge.upstream.trust import system_authorities
from tests.upstream.provider import Connection, reply, replying, serve


async def test_it_serves_any_httpx2_client() -> None:
    async with replying(reply(b'{"a": 1}', headers=b"x-a: b\r\n")) as provider:
        transport = AiohttpTransport(Connections(system_authorities()))
        async with httpx2.AsyncClient(transport=transport, trust_env=False) as http:
            response = await http.post(f"{provider.base_url}/x?a=%7E", json={})
    assert (response.status_code, response.json(), response.headers["x-a"]) == (200, {"a": 1}, "b")
    assert provider.received[0].line == b"POST /v1/x?a=%7E HTTP/1.1"


async def test_it_limits_nothing_it_was_not_asked_to_limit() -> None:
    async with replying(reply()) as provider, AiohttpTransport(Connections(system_authorities())) as transport:
        response = await transport.handle_async_request(httpx2.Request("GET", provider.base_url))
        assert await response.aread() == b"{}"


@pytest.mark.parametrize(("keepalive", "connections"), [(30.0, 1), (0.0, 3)])
async def test_an_idle_connection_is_kept_as_long_as_told(keepalive: float, connections: int) -> None:
    async with replying(reply()) as provider:
        async with AiohttpTransport(Connections(system_authorities(), keepalive=keepalive)) as transport:
            for _ in range(3):
                response = await transport.handle_async_request(httpx2.Request("GET", provider.base_url))
                assert await response.aread() == b"{}"
    assert provider.connections == connections


@pytest.mark.parametrize("value", [b"a\nb", b"caf\xe9"])
async def test_a_header_that_cannot_be_sent_is_httpx2s_own_error(value: bytes) -> None:
    async with replying(reply()) as provider, AiohttpTransport(Connections(system_authorities())) as transport:
        with pytest.raises(httpx2.LocalProtocolError):
            await transport.handle_async_request(httpx2.Request("GET", provider.base_url, headers=[(b"x-bad", value)]))


async def test_a_server_that_is_not_there_is_httpx2s_own_error() -> None:
    async with AiohttpTransport(Connections(system_authorities())) as transport:
        with pytest.raises(httpx2.ConnectError, match="connection refused"):
            await transport.handle_async_request(httpx2.Request("GET", "http://127.0.0.1:1"))


async def test_an_answer_that_is_cut_off_is_httpx2s_own_error() -> None:
    cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(cut)

    async with serve(script) as provider, AiohttpTransport(Connections(system_authorities())) as transport:
        response = await transport.handle_async_request(httpx2.Request("GET", provider.base_url))
        with pytest.raises(httpx2.RemoteProtocolError, match="cut off"):
            await response.aread()
