"""What a client's connection may send, byte by byte, and how the rest is turned down."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.types import Receive, Scope, Send

from aibridge.gateway.connection import MAX_HEADERS, MAX_URL_BYTES, ConnectionLimits
from tests.gateway.wired import POST, Echo, wired

SMALL = ConnectionLimits(max_header_bytes=1024)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def padded(size: int) -> bytes:
    """A request without a body whose head has so many bytes."""
    frame = b"GET / HTTP/1.1\r\na: \r\n\r\n"
    return frame.replace(b"a: ", b"a: " + b"x" * (size - len(frame)))


@pytest.mark.parametrize("pieces", [1, 2, 7, 1024])
async def test_a_head_may_have_as_many_bytes_as_permitted_however_it_comes(pieces: int) -> None:
    async with wired(Echo(), SMALL) as world:
        for size, expected in ((1023, 200), (1024, 200), (1025, 431)):
            wire, request = await world.open(), padded(size)
            step = -(-size // pieces)
            for start in range(0, size, step):
                await wire.send(request[start : start + step])
                await asyncio.sleep(0)
            assert status(await wire.answer()) == expected


async def test_a_refusal_says_what_the_limit_is_and_closes() -> None:
    app = Echo()
    async with wired(app, SMALL) as world:
        wire = await world.open(padded(5000))
        head, _, body = (await wire.rest()).partition(b"\r\n\r\n")
        assert b"content-type: application/json\r\n" in head
        assert b"connection: close" in head
        error = json.loads(body)["error"]
        assert error["message"] == "The headers are more than 100, or more than 1024 bytes (server.max_header_bytes)."
        assert error["type"] == "invalid_request_error"
        assert app.scopes == []


@pytest.mark.parametrize(("count", "expected"), [(MAX_HEADERS, 200), (MAX_HEADERS + 1, 431)])
async def test_headers_are_counted(count: int, expected: int) -> None:
    async with wired(Echo()) as world:
        wire = await world.open(b"GET / HTTP/1.1\r\n" + b"a:\r\n" * count + b"\r\n")
        assert status(await wire.answer()) == expected


@pytest.mark.parametrize(("length", "expected"), [(MAX_URL_BYTES, 200), (MAX_URL_BYTES + 1, 414), (100_000, 414)])
async def test_a_url_has_its_own_limit(length: int, expected: int) -> None:
    async with wired(Echo()) as world:
        wire = await world.open(b"GET /".ljust(length + 4, b"x") + b" HTTP/1.1\r\n\r\n")
        assert status(await wire.answer()) == expected


async def test_empty_lines_before_a_request_are_no_way_around() -> None:
    async with wired(Echo(), SMALL) as world:
        assert status(await (await world.open(b"\r\n" * 1000)).answer()) == 431


async def test_each_head_and_each_piece_of_a_body_starts_anew() -> None:
    async with wired(Echo(), SMALL) as world:
        wire = await world.open()
        for _ in range(5):
            await wire.send(padded(900))
            assert status(await wire.answer()) == 200
        await wire.send(POST + b"content-length: 300000\r\n\r\n" + b"x" * 300_000)
        assert (await wire.answer()).endswith(b"\r\n\r\n" + b"x" * 300_000)
        await wire.send(POST + b"transfer-encoding: chunked\r\n\r\n" + b"1\r\ny\r\n" * 5000 + b"0\r\n\r\n")
        assert (await wire.answer()).endswith(b"\r\n\r\n" + b"y" * 5000)


@pytest.mark.parametrize("endless", [b"0\r\n" + b"a: b\r\n" * 1000, b"0\r\na: " + b"x" * 5000, b"1;" + b"x" * 5000])
async def test_trailers_and_chunk_extensions_end_too(endless: bytes) -> None:
    app = Echo()
    async with wired(app, SMALL) as world:
        wire = await world.open(POST + b"transfer-encoding: chunked\r\n\r\n1\r\ny\r\n" + endless)
        assert status(await wire.answer()) == 431
        assert await wire.rest() == b""
        await world.until(lambda: app.departures == len(app.scopes))


async def test_trailers_are_no_headers() -> None:
    app = Echo()
    async with wired(app) as world:
        wire = await world.open(POST + b"transfer-encoding: chunked\r\n\r\n1\r\ny\r\n0\r\nx-user: root\r\n\r\n")
        assert status(await wire.answer()) == 200
        assert [name for name, _ in app.scopes[0]["headers"]] == [b"host", b"transfer-encoding"]


async def test_a_request_that_comes_too_early_is_not_served_and_the_one_before_it_is() -> None:
    app = Echo()
    async with wired(app) as world:
        wire = await world.open(POST + b"content-length: 2\r\n\r\nhi" + POST + b"content-length: 2\r\n\r\nho")
        answer = await wire.rest()
        assert (status(answer), answer[-2:]) == (200, b"hi")
        assert b"connection: close" in answer
        assert len(app.scopes) == 1


async def test_behind_an_early_request_a_departure_is_noticed() -> None:
    gone = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    async with wired(app) as world:
        wire = await world.open(padded(100) + padded(100))
        await wire.send(padded(100))
        wire.writer.close()
        async with asyncio.timeout(5):
            await gone.wait()


async def test_what_follows_an_upgrade_is_no_request() -> None:
    app = Echo()
    async with wired(app) as world:
        upgrade = POST + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 40\r\n\r\n"
        wire = await world.open(upgrade)
        await wire.send(padded(40))
        assert b"connection: close" in await wire.rest()
        assert len(app.scopes) == 1


async def test_an_answer_that_has_begun_is_cut_by_a_bad_body_and_nothing_is_put_into_it() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    async with wired(app) as world:
        wire = await world.open(POST + b"transfer-encoding: chunked\r\n\r\n")
        async with asyncio.timeout(5):
            await wire.reader.readuntil(b"begun\r\n")
        await wire.send(b"no chunk")
        assert await wire.rest() == b""


async def test_a_refused_client_may_go_on_talking_and_reads_its_answer() -> None:
    async with wired(Echo(), SMALL) as world:
        wire = await world.open(padded(2000))
        for _ in range(20):
            await wire.send(b"x" * 100_000)
        assert status(await wire.rest()) == 431


async def test_what_was_answered_before_does_not_take_a_refusal_s_place() -> None:
    async with wired(Echo(), SMALL) as world:
        wire = await world.open(padded(100))
        assert status(await wire.answer()) == 200
        await wire.send(b"no request\r\n\r\n")
        assert status(await wire.rest()) == 400


async def test_a_stop_does_not_wait_for_a_refused_client() -> None:
    async with wired(Echo(), SMALL) as world:
        wire = await world.open(POST + b"transfer-encoding: chunked\r\n\r\nno chunk")
        assert status(await wire.answer()) == 400
        (connection,) = world.connections
        connection.shutdown()
        await world.until(lambda: not world.connections)


async def test_beyond_the_most_an_idle_connection_goes_and_a_busy_one_stays() -> None:
    go_on = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await Echo()(scope, receive, send)

    async with wired(app, ConnectionLimits(max_connections=2)) as world:
        busy = await world.open(padded(100))
        idle = await world.open()
        newest = await world.open(padded(100))
        assert await idle.rest() == b""
        reader, writer = await asyncio.open_connection(*world.server.servers[0].sockets[0].getsockname())
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        go_on.set()
        assert [status(await wire.answer()) for wire in (busy, newest)] == [200, 200]
