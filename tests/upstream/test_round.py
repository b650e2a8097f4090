"""What is tried again, when, and which failure the caller is told at the end."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from email.utils import formatdate

import pytest

from aibridge.errors import ClientError, UpstreamError, UpstreamTimeout
from tests.upstream.hands import MIDNIGHT, Hands
from tests.upstream.provider import (
    STREAM_HEAD,
    Connection,
    FakeProvider,
    chunk,
    client,
    read,
    reply,
    replying,
    serve,
    target,
)

BUSY = "503 Service Unavailable"
LIMITED = "429 Too Many Requests"


@pytest.mark.parametrize("status", ["408 Slow", LIMITED, "500 Oops", "502 Bad Gateway", BUSY, "504 Slow", "529 Full"])
async def test_a_passing_failure_is_never_seen(status: str) -> None:
    hands = Hands()
    async with (
        replying(reply(b"no", status), reply(b"no", status), reply(b"yes")) as provider,
        client(provider, retries=2, clock=hands.clock) as upstreams,
    ):
        assert (await read(upstreams.bind(target()), b"asked"))[::2] == (200, b"yes")
    assert hands.slept == [0.5, 1.0]
    assert [received.body for received in provider.received] == [b"asked"] * 3


@pytest.mark.parametrize("status", ["400 Bad", "403 No", "404 No", "413 Big", "422 No", "501 No", "599 Odd"])
async def test_any_other_is_told_at_once(status: str) -> None:
    hands = Hands()
    async with replying(reply(b"no", status)) as provider, client(provider, retries=2, clock=hands.clock) as upstreams:
        assert (await read(upstreams.bind(target())))[2] == b"no"
    assert (len(provider.received), hands.slept) == (1, [])


async def test_after_the_last_attempt_its_answer_passes_as_it_came() -> None:
    hands = Hands()
    answers = [reply(b"%d" % number, BUSY, b"x-number: %d\r\n" % number) for number in range(3)]
    async with replying(*answers) as provider, client(provider, retries=2, clock=hands.clock) as upstreams:
        status, headers, body = await read(upstreams.bind(target()))
    assert (status, body) == (503, b"2")
    assert headers == ((b"content-length", b"1"), (b"x-number", b"2"))
    assert len(provider.received) == 3


async def test_without_retries_there_is_one_attempt() -> None:
    async with replying(reply(b"no", BUSY)) as provider, client(provider) as upstreams:
        assert (await read(upstreams.bind(target())))[0] == 503
    assert len(provider.received) == 1


@pytest.mark.parametrize(
    ("asked", "slept"),
    [
        (b"retry-after: 7", 7.0),
        (b"retry-after: 7\r\nretry-after-ms: 250", 0.25),
        (b"retry-after: " + formatdate(MIDNIGHT + 30, usegmt=True).encode(), 30.0),
        (b"retry-after: 0", 0.5),
    ],
)
async def test_the_provider_says_when(asked: bytes, slept: float) -> None:
    hands = Hands()
    async with (
        replying(reply(b"no", LIMITED, asked + b"\r\n"), reply(b"yes")) as provider,
        client(provider, retries=2, clock=hands.clock) as upstreams,
    ):
        assert (await read(upstreams.bind(target())))[2] == b"yes"
    assert hands.slept == [slept]


async def test_who_asks_for_too_much_patience_is_not_waited_for() -> None:
    hands = Hands()
    async with (
        replying(reply(b"no", LIMITED, b"retry-after: 61\r\n")) as provider,
        client(provider, retries=2, clock=hands.clock) as upstreams,
    ):
        status, headers, body = await read(upstreams.bind(target()))
    assert (status, body, hands.slept) == (429, b"no", [])
    assert (b"retry-after", b"61") in headers


async def test_lost_connections_are_tried_again() -> None:
    hands = Hands()

    async def script(connection: Connection) -> None:
        await connection.receive()
        if provider.connections == 1:
            return
        if provider.connections == 2:
            await connection.send(b"HTTP/1.1 500 Oops\r\ncontent-length: 100\r\n\r\nwe are")
            return
        await connection.send(reply(b"yes"))

    async with serve(script) as provider, client(provider, retries=2, clock=hands.clock) as upstreams:
        assert (await read(upstreams.bind(target())))[2] == b"yes"
    assert hands.slept == [0.5, 1.0]


async def test_a_refused_connection_is_told_after_the_last_attempt() -> None:
    hands = Hands()
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    async with client(FakeProvider(port), retries=2, clock=hands.clock) as upstreams:
        with pytest.raises(UpstreamError, match=r"^openai could not be reached: connection refused$"):
            await read(upstreams.bind(target()))
    assert hands.slept == [0.5, 1.0]


async def test_a_first_byte_that_does_not_come_is_tried_again() -> None:
    hands = Hands()

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD)
        await connection.gone()

    async with (
        asyncio.timeout(10),
        serve(script) as provider,
        client(provider, retries=1, first_byte=0.05, clock=hands.clock) as upstreams,
    ):
        with pytest.raises(UpstreamTimeout, match="did not start responding"):
            await read(upstreams.bind(target()))
    assert (provider.connections, hands.slept) == (2, [0.5])


async def test_after_the_first_byte_nothing_is_tried_again() -> None:
    hands = Hands()

    async def script(connection: Connection) -> None:
        await connection.receive()
        await connection.send(STREAM_HEAD + chunk(b"data: 1\n\n"))

    async with serve(script) as provider, client(provider, retries=2, clock=hands.clock) as upstreams:
        async with upstreams.bind(target()).open(b"{}") as response:
            assert await anext(aiter(response)) == b"data: 1\n\n"
            with pytest.raises(UpstreamError, match="cut off"):
                await anext(aiter(response))
    assert (provider.connections, hands.slept) == (1, [])


async def test_a_redirect_and_a_bad_request_are_not_tried_again() -> None:
    hands = Hands()
    answer = reply(status="307 Temporary", headers=b"location: https://else.example/\r\n")
    async with replying(answer) as provider, client(provider, retries=2, clock=hands.clock) as upstreams:
        with pytest.raises(UpstreamError, match="redirects"):
            await read(upstreams.bind(target()))
        with pytest.raises(ClientError):
            await read(upstreams.bind(target(headers=((b"x-bad", b"a\x00b"),))))
    assert (len(provider.received), hands.slept) == (1, [])


async def test_a_caller_who_leaves_ends_the_wait() -> None:
    waiting = asyncio.Event()

    async def sleep(_: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    clock = replace(Hands().clock, sleep=sleep)
    async with (
        asyncio.timeout(5),
        replying(reply(b"no", BUSY)) as provider,
        client(provider, retries=2, clock=clock) as upstreams,
    ):
        asking = asyncio.create_task(read(upstreams.bind(target())))
        await waiting.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert len(provider.received) == 1


async def test_retries_have_a_budget_for_all_requests_together() -> None:
    hands = Hands()
    still = replace(hands.clock, now=lambda: 0.0)
    async with replying(reply(b"no", BUSY)) as provider, client(provider, retries=2, clock=still) as upstreams:
        for _ in range(20):
            await read(upstreams.bind(target()))
    assert len(provider.received) == 20 + 10


async def test_connections_of_failed_attempts_are_used_again() -> None:
    hands = Hands()
    answers = reply(b"no", BUSY), reply(b"no", LIMITED), reply(b"yes")
    async with replying(*answers) as provider, client(provider, retries=2, clock=hands.clock) as upstreams:
        await read(upstreams.bind(target()))
    assert provider.connections == 1
