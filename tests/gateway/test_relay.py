"""The way back to the client, played with a scripted one and a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Message

from aibridge.gateway.departure import Departure
from aibridge.gateway.relay import ClientGone, Reply
from aibridge.model import Head, Headers, Relay
from tests.clocks import LoopClock, settled

JSON = ((b"content-type", b"application/json"),)
EVENTS = ((b"content-type", b"text/event-stream; charset=utf-8"),)


class Client:
    """The server's end of one request, and whoever is behind it."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.departure = Departure()

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.sent.append(message)

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.sent if message["type"] == "http.response.body"]


@pytest.fixture
async def client() -> Client:
    return Client()


@pytest.fixture
async def clock() -> AsyncIterator[LoopClock]:
    with LoopClock() as clock:
        yield clock


def reply_to(client: Client, extra: Headers = ()) -> Reply:
    return Reply(client.send, client.departure, extra=extra, keepalive=b": keepalive\n\n", every=15)


@asynccontextmanager
async def running(coroutine: Coroutine[Any, Any, None]) -> Any:
    """A task beside the test, which is over when the block is."""
    task = asyncio.create_task(coroutine)
    await settled()
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_body_and_its_head_go_out_together_with_its_length(client: Client) -> None:
    reply = reply_to(client)

    await reply(Head(404, JSON))
    assert (client.sent, reply.begun) == ([], False)

    await reply(Relay(b'{"error":{}}'))
    assert client.sent == [
        {"type": "http.response.start", "status": 404, "headers": [*JSON, (b"content-length", b"12")]},
        {"type": "http.response.body", "body": b'{"error":{}}', "more_body": False},
    ]
    assert reply.begun is True

    await reply.finish()
    assert len(client.sent) == 2


async def test_a_head_without_a_body_goes_out_at_the_end(client: Client) -> None:
    reply = reply_to(client)

    await reply(Head(204, ()))
    await reply.finish()

    assert client.sent == [
        {"type": "http.response.start", "status": 204, "headers": [(b"content-length", b"0")]},
        {"type": "http.response.body", "body": b"", "more_body": False},
    ]


async def test_a_streams_head_goes_out_at_once_and_each_piece_after_it(client: Client) -> None:
    reply = reply_to(client)

    await reply(Head(200, EVENTS))
    assert client.sent == [{"type": "http.response.start", "status": 200, "headers": [*EVENTS]}]
    assert reply.begun

    await reply(Relay(b"data: 1\n\n"))
    await reply(Relay(b"data: 2\n\n"))
    await reply.finish()
    await reply.finish()

    assert [(message["body"], message["more_body"]) for message in client.sent[1:]] == [
        (b"data: 1\n\n", True),
        (b"data: 2\n\n", True),
        (b"", False),
    ]


async def test_the_first_bytes_behind_a_good_head_are_told_once(client: Client, clock: LoopClock) -> None:
    told: list[int] = []
    reply = Reply(
        client.send, client.departure, keepalive=b": keepalive\n\n", answering=lambda: told.append(len(client.sent))
    )

    async def answer() -> None:
        async with reply.attended():
            await reply(Head(200, EVENTS))
            await asyncio.Event().wait()

    async with running(answer()):
        await clock.go(15.1)
        assert (client.bodies, told) == ([b": keepalive\n\n"], [])
        await reply(Relay(b"data: 1\n\n"))
        await reply(Relay(b"data: 2\n\n"))
        assert told == [2]


async def test_of_a_refusal_none_are(client: Client) -> None:
    told: list[int] = []
    reply = Reply(client.send, client.departure, answering=lambda: told.append(1))

    await reply(Head(429, JSON))
    await reply(Relay(b"{}"))

    assert told == []


async def test_any_body_can_be_streamed(client: Client) -> None:
    reply = reply_to(client)

    await reply.stream(Head(200, JSON))
    await reply(Relay(b"[1,"))
    await reply(Relay(b"2]"))
    await reply.finish()

    assert client.bodies == [b"[1,", b"2]", b""]
    assert b"content-length" not in dict(client.sent[0]["headers"])


async def test_the_providers_framing_is_not_handed_back_and_ours_is_added(client: Client) -> None:
    theirs = (
        *JSON,
        (b"content-length", b"999"),
        (b"content-encoding", b"gzip"),
        (b"transfer-encoding", b"chunked"),
        (b"connection", b"x-hop"),
        (b"x-hop", b"1"),
        (b"set-cookie", b"a=b"),
        (b"x-request-id", b"req_1"),
    )
    reply = reply_to(client, extra=((b"x-aibridge-interception-id", b"i-1"),))

    await reply(Head(200, theirs))
    await reply(Relay(b"{}"))

    assert client.sent[0]["headers"] == [
        *JSON,
        (b"x-request-id", b"req_1"),
        (b"content-length", b"2"),
        (b"x-aibridge-interception-id", b"i-1"),
    ]


async def test_a_silent_stream_gets_a_keepalive_after_each_period(client: Client, clock: LoopClock) -> None:
    reply = reply_to(client)

    async def answer() -> None:
        async with reply.attended():
            await reply(Head(200, EVENTS))
            await asyncio.Event().wait()

    async with running(answer()):
        await clock.go(14.9)
        assert client.bodies == []
        await clock.go(0.2)
        assert client.bodies == [b": keepalive\n\n"]
        await clock.go(14.9)
        assert len(client.bodies) == 1
        await clock.go(0.2)
        assert client.bodies == [b": keepalive\n\n"] * 2


async def test_a_keepalive_that_a_slow_client_does_not_take_ends_with_the_block(
    client: Client, clock: LoopClock
) -> None:
    reply = reply_to(client)
    before = asyncio.all_tasks()
    async with reply.attended():
        await reply(Head(200, EVENTS))
        client.reads.clear()
        await clock.go(16)
        assert asyncio.all_tasks() > before
    assert asyncio.all_tasks() == before
    assert client.bodies == []


async def test_a_stream_that_speaks_gets_none(client: Client, clock: LoopClock) -> None:
    reply = reply_to(client)

    async def answer() -> None:
        async with reply.attended():
            await reply(Head(200, EVENTS))
            await asyncio.Event().wait()

    async with running(answer()):
        for _ in range(3):
            await clock.go(10)
            await reply(Relay(b"data: 1\n\n"))
        await clock.go(14.9)
        assert client.bodies == [b"data: 1\n\n"] * 3
        await clock.go(0.2)
        assert client.bodies[3:] == [b": keepalive\n\n"]


@pytest.mark.parametrize("head", [None, Head(200, JSON)])
async def test_nothing_but_a_stream_gets_any(client: Client, clock: LoopClock, head: Head | None) -> None:
    reply = reply_to(client)

    async def answer() -> None:
        async with reply.attended():
            if head is not None:
                await reply(head)
            await asyncio.Event().wait()

    async with running(answer()):
        for _ in range(5):
            await clock.go(16)
        assert client.sent == []


async def test_a_finished_stream_gets_none(client: Client, clock: LoopClock) -> None:
    reply = reply_to(client)

    async def answer() -> None:
        async with reply.attended():
            await reply(Head(200, EVENTS))
            await reply.finish()
            await asyncio.Event().wait()

    async with running(answer()):
        await clock.go(31)
        assert client.bodies == [b""]


async def test_the_block_learns_at_once_that_the_client_is_gone(client: Client) -> None:
    reply = reply_to(client)
    cleaned_up: list[str] = []

    async def answer() -> None:
        async with reply.attended():
            try:
                await asyncio.Event().wait()
            finally:
                cleaned_up.append("yes")

    client.departure.happen()
    with pytest.raises(ClientGone, match="the client went away"):
        await answer()

    assert cleaned_up
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)  # what comes after the block may wait again


async def test_a_client_that_leaves_with_the_whole_answer_is_not_gone(client: Client) -> None:
    reply = reply_to(client)

    async with reply.attended():
        await reply(Head(200, EVENTS))
        await reply.finish()
        client.departure.happen()
        await settled()


async def test_cancellation_from_outside_is_no_departure(client: Client) -> None:
    reply = reply_to(client)

    async def answer() -> None:
        async with reply.attended():
            await asyncio.Event().wait()

    async with running(answer()) as task:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()


async def test_an_error_of_the_block_passes(client: Client) -> None:
    with pytest.raises(ZeroDivisionError):
        async with reply_to(client).attended():
            _ = 1 / 0


async def test_a_blocks_own_error_passes_though_the_client_is_gone(client: Client) -> None:
    async def answer() -> None:
        async with reply_to(client).attended():
            try:
                await asyncio.Event().wait()
            finally:
                _ = 1 / 0

    client.departure.happen()
    with pytest.raises(ZeroDivisionError):
        await answer()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_nobody_attends_after_the_block(client: Client) -> None:
    before = asyncio.all_tasks()

    async with reply_to(client).attended():
        await settled()

    assert asyncio.all_tasks() == before


async def test_a_client_that_does_not_read_holds_the_sender_up(client: Client) -> None:
    reply = reply_to(client)
    await reply(Head(200, EVENTS))
    client.reads.clear()

    async def answer() -> None:
        await reply(Relay(b"data: 1\n\n"))

    async with running(answer()) as task:
        assert not task.done()
        assert client.bodies == []
        client.reads.set()
        await settled()
        assert task.done()
        assert client.bodies == [b"data: 1\n\n"]
