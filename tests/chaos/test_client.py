"""The client knows how an answer ended, in each dialect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.chaos.client import SPEECHES, ask, judged
from tests.chaos.ledger import Asked, Seen

ENDS = {
    "chat_completions": b"data: [DONE]\n\n",
    "responses": b'event: response.completed\ndata: {"type":"response.completed"}\n\n',
    "messages": b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
}
ERRORS = {
    "chat_completions": b'data: {"error":{"message":"no","type":"server_error"}}\n\n',
    "responses": b'event: error\ndata: {"type":"error","message":"no"}\n\n',
    "messages": b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"no"}}\n\n',
}
BODIES = {
    "chat_completions": b'{"error":{"message":"no","type":"server_error","param":null,"code":null}}',
    "responses": b'{"error":{"message":"no","type":"server_error","param":null,"code":null}}',
    "messages": b'{"type":"error","error":{"type":"api_error","message":"no"}}',
}


def asked(dialect: str = "messages", *, streaming: bool = True, status: int = 200) -> Asked:
    return Asked(1, dialect, "talks", streaming, began=0.0, status=status)


@pytest.mark.parametrize("dialect", SPEECHES)
def test_streams(dialect: str) -> None:
    def seen(body: bytes) -> Seen:
        return judged(asked(dialect), SPEECHES[dialect], body)

    assert seen(b"data: {}\n\n" + ENDS[dialect]) == "complete"
    assert seen(b"data: {}\n\n" + ERRORS[dialect]) == "error"
    assert seen(b"data: {}\n\n") == "odd"
    assert seen(b"") == "odd"


def test_done_behind_an_error_makes_no_answer_of_it() -> None:
    body = ERRORS["chat_completions"] + ENDS["chat_completions"]
    assert judged(asked("chat_completions"), SPEECHES["chat_completions"], body) == "error"


@pytest.mark.parametrize("dialect", SPEECHES)
def test_bodies(dialect: str) -> None:
    def seen(body: bytes, status: int) -> Seen:
        return judged(asked(dialect, streaming=False, status=status), SPEECHES[dialect], body)

    assert seen(b'{"text":"Yes. [[1 rounds, 0 calls]]"}', 200) == "complete"
    assert seen(b'{"text":"Ye', 200) == "odd"
    assert seen(BODIES[dialect], 502) == "error"
    assert seen(b"<html>Bad gateway</html>", 502) == "odd"
    assert seen(b'{"detail":"no"}', 502) == "odd"


def test_each_dialect_has_its_own_form_of_an_error() -> None:
    one = asked("messages", streaming=False, status=500)
    assert judged(one, SPEECHES["messages"], BODIES["responses"]) == "odd"


@asynccontextmanager
async def server(*writes: bytes, stays: bool = False) -> AsyncIterator[str]:
    """Answers every request with these bytes, and then closes."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.writelines(writes)
        await writer.drain()
        if stays:
            await over.wait()
        writer.close()
        await writer.wait_closed()

    serving = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with serving:
        yield f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}"
        over.set()


HEAD = b"HTTP/1.1 200 OK\r\nx-aibridge-interception-id: id-1\r\ncontent-length: 1000\r\n\r\n"


async def seen_of(origin: str, deadline: float = 5.0) -> Asked:
    one = asked()
    async with aiohttp.ClientSession() as session:
        await ask(session, origin, one, deadline)
    return one


async def test_a_connection_lost_in_an_answer() -> None:
    async with server(HEAD, b"data: {}\n\n") as origin:
        one = await seen_of(origin)
    assert (one.seen, one.id, one.last) == ("cut", "id-1", b"data: {}\n\n")


async def test_a_connection_lost_behind_the_terminal_event() -> None:
    async with server(HEAD, b'data: "[[2 rounds, 1 calls]]"\n\n', ENDS["messages"]) as origin:
        one = await seen_of(origin)
    assert (one.seen, one.rounds, one.calls) == ("complete", 2, 1)


async def test_no_response_at_all() -> None:
    async with server() as origin:
        one = await seen_of(origin)
    assert (one.seen, one.id) == ("nothing", "")


async def test_an_answer_that_does_not_end() -> None:
    async with server(HEAD, stays=True) as origin:
        one = await seen_of(origin, deadline=0.05)
    assert one.seen == "hung"
