"""The transport as httpx2 sees it, its pool under cancellation, and its pace."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from unittest.mock import Mock

import aiohttp
import httpx2
import pytest
import uvloop

from aibridge.errors import UpstreamError
from aibridge.upstream.transport import AiohttpTransport, _Stream
from aibridge.upstream.trust import system_authorities
from tests.upstream.provider import (
    END,
    STREAM_HEAD,
    Connection,
    chunk,
    client,
    collect,
    opened,
    read,
    reply,
    replying,
    serve,
    sockets_to,
    steps,
    target,
)

LIMIT = 4
Run = Callable[[Coroutine[object, object, None]], None]
on_both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


async def test_it_serves_any_httpx2_client() -> None:
    async with replying(reply(b'{"a": 1}', headers=b"x-a: b\r\n")) as provider:
        transport = AiohttpTransport(system_authorities())
        async with httpx2.AsyncClient(transport=transport, trust_env=False) as http:
            response = await http.post(f"{provider.base_url}/x?a=%7E", json={})
    assert (response.status_code, response.json(), response.headers["x-a"]) == (200, {"a": 1}, "b")
    assert provider.received[0].line == b"POST /v1/x?a=%7E HTTP/1.1"


async def test_it_limits_nothing_it_was_not_asked_to_limit() -> None:
    async with replying(reply()) as provider, AiohttpTransport(system_authorities()) as transport:
        response = await transport.handle_async_request(httpx2.Request("GET", provider.base_url))
        assert await response.aread() == b"{}"


async def test_no_pool_slot_is_lost_when_requests_are_cancelled_at_random() -> None:
    await cancel_at_random()


@on_both_loops
def test_no_pool_slot_is_lost_on_either_loop(run: Run) -> None:
    run(cancel_at_random())


async def cancel_at_random() -> None:
    """Cancels many requests anywhere, then needs all the slots at the same time."""
    chance = random.Random(7)
    barrier = asyncio.Barrier(LIMIT)
    calm = False

    async def script(connection: Connection) -> None:
        while True:
            await connection.receive()
            if calm:
                await barrier.wait()
            for piece in (STREAM_HEAD, chunk(b"data: 1\n\n"), chunk(b"data: 2\n\n"), END):
                await connection.send(piece)
                await steps(chance.randrange(3))

    async with serve(script) as provider, client(provider, limit=LIMIT) as upstreams, asyncio.timeout(60):
        for _ in range(40):
            tasks = [asyncio.create_task(read(upstreams.bind(target()))) for _ in range(4 * LIMIT)]
            for task in chance.sample(tasks, len(tasks)):
                await steps(chance.randrange(12))
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} <= {tuple, asyncio.CancelledError}
        calm = True
        answers = await asyncio.gather(*(read(upstreams.bind(target())) for _ in range(LIMIT)))
    assert [body for _, _, body in answers] == [b"data: 1\n\ndata: 2\n\n"] * LIMIT


async def test_a_place_in_the_pool_is_waited_for_as_long_as_for_a_connection() -> None:
    go_on = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"x"))
        await go_on.wait()

    async with serve(script) as provider, client(provider, limit=1, connect=0.05) as upstreams:
        async with upstreams.bind(target()).open(b"{}"):
            with pytest.raises(UpstreamError, match=r"could not be reached within 0\.05 s"):
                await read(upstreams.bind(target()))
        go_on.set()


@on_both_loops
def test_what_came_before_a_cut_is_not_lost(run: Run) -> None:
    async def cut() -> None:
        async def script(connection: Connection) -> None:
            await connection.receive()
            await connection.send(STREAM_HEAD + chunk(b"data: 1\n\n"))
            await seen.wait()
            connection.writer.write(chunk(b"data: 2\n\n"))  # and the end at the same time

        seen = asyncio.Event()
        got: list[bytes] = []
        with pytest.raises(UpstreamError, match="cut off"):
            await collect(opened(script), got, seen)
        assert b"".join(got) == b"data: 1\n\ndata: 2\n\n"

    run(cut())


async def test_a_slow_reader_slows_the_provider_down() -> None:
    sent = 0

    async def script(connection: Connection) -> None:
        nonlocal sent
        await connection.receive()
        await connection.send(STREAM_HEAD)
        while True:
            await connection.send(chunk(b"x" * 65536))
            sent += 65536

    async with opened(script) as response:
        before = await settled(lambda: sent)
        assert before < 20_000_000  # what the sockets' buffers hold
        pieces = aiter(response)
        while sent <= before:
            await anext(pieces)


async def settled(look: Callable[[], int]) -> int:
    """A number once it no longer grows."""
    last = -1
    while look() != last:
        last = look()
        await steps(200)
    return last


async def test_a_cancelled_upload_leaves_nothing_behind_for_a_peer_that_does_not_read() -> None:
    arrived = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await asyncio.Event().wait()

    async with serve(script) as provider, client(provider) as upstreams, asyncio.timeout(10):
        upload = asyncio.create_task(read(upstreams.bind(target()), b"x" * 30_000_000))
        await arrived.wait()
        await steps(100)
        assert sockets_to(provider) == 1
        upload.cancel()
        await asyncio.wait([upload])
        await steps(10)
        assert sockets_to(provider) == 0


async def test_closing_ends_what_is_under_way() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"x"))
        await connection.gone()

    async with (
        asyncio.timeout(5),
        serve(script) as provider,
        client(provider) as upstreams,
        upstreams.bind(target()).open(b"{}") as response,
    ):
        await anext(aiter(response))
        await upstreams.aclose()
        with pytest.raises(UpstreamError):
            await anext(aiter(response))


async def test_a_pooled_connection_that_the_provider_reset_is_not_used() -> None:
    ended = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"x"))
        await connection.send(END)
        await read_once.wait()
        connection.reset()
        ended.set()

    read_once = asyncio.Event()
    async with serve(script) as provider, client(provider) as upstreams, asyncio.timeout(5):
        await read(upstreams.bind(target()))
        read_once.set()
        await ended.wait()
        await steps(20)
        assert (await read(upstreams.bind(target())))[2] == b"x"
    assert provider.connections == 2


async def test_a_connection_lost_before_anyone_looks_is_noticed() -> None:
    content = aiohttp.StreamReader(protocol=Mock(), limit=1, loop=asyncio.get_running_loop())
    protocol = Mock(closed=None)  # what aiohttp says once a connection is gone
    stream = _Stream(Mock(content=content, connection=Mock(protocol=protocol), closed=True), 10)
    with pytest.raises(httpx2.RemoteProtocolError, match="cut off"):
        await anext(stream)
    await stream.aclose()
