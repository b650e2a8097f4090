"""An answer as it comes from the connection: what was sent before a cut, and how fast it is taken."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from unittest.mock import Mock

import aiohttp
import httpx2
import pytest
import uvloop

from aibridge.errors import UpstreamError
from aibridge.upstream.answer import Answer
from aibridge.upstream.exceptions import translate
from tests.clocks import steps
from tests.upstream.provider import STREAM_HEAD, Connection, chunk, client, collect, opened, serve, target

Run = Callable[[Coroutine[object, object, None]], None]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
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


async def test_an_answer_that_is_over_is_gone_without_the_collector() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"x") + chunk(b""))

    gc.collect()
    gc.disable()
    try:
        await collect(opened(script), [], asyncio.Event())
        assert not [one for one in gc.get_objects() if isinstance(one, Answer)]
    finally:
        gc.enable()


async def settled(look: Callable[[], int]) -> int:
    """A number once it no longer grows."""
    last = -1
    while look() != last:
        last = look()
        await steps(200)
    return last


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


async def test_a_connection_lost_before_anyone_looks_is_noticed() -> None:
    content = aiohttp.StreamReader(protocol=Mock(), limit=1, loop=asyncio.get_running_loop())
    protocol = Mock(closed=None)  # what aiohttp says once a connection is gone
    stream = Answer(Mock(content=content, connection=Mock(protocol=protocol), closed=True), 10, translate)
    with pytest.raises(httpx2.RemoteProtocolError, match="cut off"):
        await anext(stream)
    await stream.aclose()
