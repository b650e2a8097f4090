"""The pool, under cancellation and when connections end."""

import asyncio
import random
from collections.abc import Callable, Coroutine

import pytest
import uvloop

from aibridge.errors import UpstreamError
from tests.clocks import steps
from tests.upstream.provider import (
    END,
    STREAM_HEAD,
    Connection,
    chunk,
    client,
    read,
    serve,
    sockets_to,
    target,
)

LIMIT = 4
Run = Callable[[Coroutine[object, object, None]], None]


async def test_no_pool_slot_is_lost_when_requests_are_cancelled_at_random() -> None:
    await cancel_at_random()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
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
