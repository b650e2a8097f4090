"""How long a client may take, told by real connections and a clock that the test moves."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from starlette.types import Receive, Scope, Send

from aibridge.gateway.connection import Connection, ConnectionLimits, Wait, why_gone
from aibridge.gateway.deadlines import FAREWELL_SECONDS, LEAST_BYTES_PER_SECOND, Deadlines
from tests.gateway.wired import POST, Echo, wired


def has_received(connection: Connection, size: int) -> bool:
    return connection.received > size


LIMITS = ConnectionLimits(header_seconds=20, body_seconds=30, idle_seconds=75, slow_reader_seconds=60)


async def test_a_silent_connection_closes() -> None:
    async with wired(Echo(), LIMITS) as world:
        wire = await world.open()
        await world.later(74)
        assert len(world.connections) == 1
        await world.later(75)
        assert await wire.rest() == b""


async def test_headers_that_do_not_come_are_answered_with_408() -> None:
    async with wired(Echo(), LIMITS) as world:
        wire = await world.open(b"POST / HTTP/1.1\r\nho")
        await world.later(19)
        assert world.connections[0].waits_for() is Wait.HEAD
        await world.later(20)
        answer = await wire.rest()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"The headers did not come within 20 s (server.header_seconds)."' in answer


async def test_a_head_has_its_time_however_busily_it_drips() -> None:
    async with wired(Echo(), LIMITS) as world:
        wire, deadlines = await world.open(b"GET / HTTP/1.1\r\n"), Deadlines(LIMITS)
        for now in range(0, 20, 5):
            await wire.send(b"a: " + b"x" * 5000 + b"\r\n")
            await world.until(partial(has_received, world.connections[0], 1000 * (now + 5)))
            await deadlines.look(world.connections, now)
        await deadlines.look(world.connections, 20)
        assert (await wire.rest()).startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_stands_still_is_answered_with_408_and_its_request_is_over() -> None:
    app = Echo()
    async with wired(app, LIMITS) as world:
        wire = await world.open(POST + b"content-length: 10\r\n\r\nhal")
        await world.until(lambda: app.scopes)
        await world.later(29)
        assert app.departures == 0
        await world.later(30)
        answer = await wire.rest()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"(server.body_seconds)" in answer
        assert b'"timeout_error"' in answer
        assert app.departures == 1


@pytest.mark.parametrize(("rate", "served"), [(LEAST_BYTES_PER_SECOND, True), (LEAST_BYTES_PER_SECOND - 1, False)])
async def test_a_body_must_come_at_a_rate(rate: int, served: bool) -> None:
    app, size = Echo(), 30 * rate
    async with wired(app, LIMITS) as world:
        wire = await world.open(POST + b"content-length: 100000\r\n\r\nx")
        (connection,), deadlines = world.connections, Deadlines(LIMITS)
        await world.until(lambda: app.scopes)
        await deadlines.look([connection], 0)
        before = connection.received
        await wire.send(b"x" * size)
        await world.until(lambda: connection.received == before + size)
        await deadlines.look([connection], 30)
        await deadlines.look([connection], 59)  # the next 30 s have begun, or else it is refused
        assert (connection.waits_for() is Wait.BODY) == served


async def test_a_body_that_we_have_not_asked_for_yet_is_not_late() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async with wired(app, LIMITS) as world:
        await world.open(POST + b"expect: 100-continue\r\ncontent-length: 10\r\n\r\n")
        await world.open(POST + b"content-length: 1000000\r\n\r\n" + b"x" * 100_000)  # as much as is taken unread
        await world.later(1000)
        assert [one.waits_for() for one in world.connections] == [None, None]


async def test_while_we_work_nobody_is_late() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async with wired(app, LIMITS) as world:
        await world.open(POST + b"content-length: 0\r\n\r\n")
        await world.later(100_000)
        assert len(world.connections) == 1


async def test_the_rest_of_a_body_that_is_answered_already_has_its_time() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})

    async with wired(app, LIMITS) as world:
        wire = await world.open(POST + b"content-length: 1000000\r\n\r\nx")
        assert (await wire.answer()).endswith(b"no")
        await wire.send(b"x" * 500_000)
        await world.later(29)
        assert len(world.connections) == 1
        await world.later(30)
        await world.until(lambda: not world.connections)


async def test_a_new_request_has_its_own_time() -> None:
    async with wired(Echo(), LIMITS) as world:
        wire, deadlines = await world.open(b"POST / HTTP/1.1\r\n"), Deadlines(LIMITS)
        await deadlines.look(world.connections, 0)
        await wire.send(b"content-length: 0\r\n\r\n")
        await wire.answer()
        await wire.send(b"POST / HTTP/1.1\r\n")
        await world.until(lambda: world.connections[0].waits_for() is Wait.HEAD)
        await deadlines.look(world.connections, 19)
        await deadlines.look(world.connections, 38)
        assert world.connections[0].waits_for() is Wait.HEAD


async def test_a_client_that_does_not_read_is_cut_and_the_reason_told() -> None:
    told = asyncio.get_running_loop().create_future()

    async def flood(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await asyncio.gather(send(body), receive()))[1]["type"] != "http.disconnect":
            pass
        told.set_result(why_gone(scope))

    body = {"type": "http.response.body", "body": b"x" * 50_000_000, "more_body": True}
    async with wired(flood, LIMITS) as world:
        await world.open(POST + b"content-length: 0\r\n\r\n")
        await world.until(lambda: world.connections[0].waits_for() is Wait.READ)
        await world.later(59)
        assert not told.done()
        await world.later(60)
        async with asyncio.timeout(5):
            assert await told == "the client did not read on for 60 s (server.slow_reader_seconds)"


async def test_a_client_that_reads_on_is_not_cut() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"x" * 50_000_000})

    async with wired(app, LIMITS) as world:
        wire, deadlines = await world.open(POST + b"content-length: 0\r\n\r\n"), Deadlines(LIMITS)
        (connection,) = world.connections
        await world.until(lambda: connection.waits_for() is Wait.READ)
        for now in range(0, 600, 60):
            await deadlines.look([connection], now)
            left = connection.transport.get_write_buffer_size()
            async with asyncio.timeout(5):
                while connection.transport.get_write_buffer_size() > left - 20_000:
                    await wire.reader.read(100_000)
        assert len(await wire.rest()) > 1_000_000


async def test_a_refused_client_that_stays_is_sent_away() -> None:
    async with wired(Echo(), LIMITS) as world:
        wire = await world.open(b"no request\r\n\r\n")
        assert (await wire.answer()).startswith(b"HTTP/1.1 400 ")
        assert world.connections[0].waits_for() is Wait.LEAVE
        await world.later(FAREWELL_SECONDS)
        await world.until(lambda: not world.connections)


async def test_others_have_their_turn_while_very_many_are_looked_at() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await Deadlines(LIMITS).look([object()] * 5000, 0)
    task.cancel()
    assert turns >= 9
