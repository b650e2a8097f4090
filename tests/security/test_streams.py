"""Streams and resources: answers that are too large, too long, cut, or in pieces, and clients that leave."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from aibridge.model import Credential, Target
from aibridge.providers import OPENAI, Provider
from aibridge.testing import FakeOpenAI, Gate, Request, answer, call, delay, disconnect, reply, truncate, wait
from aibridge.testing.mcp_server import FakeMCPServer
from aibridge.testing.prepared import prepare
from aibridge.testing.replies import Reply
from aibridge.upstream import Account, UpstreamClient
from tests.security.house import CHAT, MESSAGES, RESPONSES, ROUTES, body, house
from tests.waiting import eventually

MEGABYTE = b"x" * 1_000_000
EVENTS = {"content-type": "text/event-stream"}
DIALECTS: dict[str, Any] = {CHAT: "chat_completions", RESPONSES: "responses", MESSAGES: "messages"}
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}")


def endless(start: bytes) -> Iterator[bytes]:
    """A gigabyte, unless somebody stops it."""
    yield start
    for _ in range(1000):
        yield MEGABYTE


def grown() -> int:
    """The memory of this process, in bytes."""
    size: int = psutil.Process().memory_info().rss
    return size


@pytest.mark.parametrize(
    ("stream", "status", "start"),
    [(True, 200, b'data: {"id":"x","y":"'), (False, 200, b'{"id":"x","y":"'), (True, 500, b"<html>")],
    ids=["an event", "a body", "an error"],
)
async def test_17_an_endless_event_or_body_is_given_up_in_flat_memory(
    tmp_path: Path, stream: bool, status: int, start: bytes
) -> None:
    left: list[Request] = []

    def handler(request: Request) -> Reply:
        left.append(request)
        headers = EVENTS if stream else {"content-type": "application/json"}
        return reply(endless(start), status=status, headers=headers)

    async with house(tmp_path, handler) as gateway:
        before = grown()
        response = await gateway.ask(CHAT, stream=stream)
        assert grown() - before < 400_000_000
        assert len(response.content) <= 1024 * 1024
        assert status == 500 or "more than 67108864 bytes" in response.text
        async with asyncio.timeout(5):
            await left[0].client_left.wait()
        (row,) = await gateway.ended()
        assert row["status"] == "failed"
        gateway.openai.handler = answer("Fine.")
        assert (await gateway.ask()).status_code == 200


@pytest.mark.parametrize(
    "odd",
    [
        b"\xef\xbb\xbf",
        b": \xff\xfe\xc3\n\n",
        b": caf\xc3",
        b"data: \xf0\x9f\n\n",
        b": lone\rcomment\n\n",
        b"data: \xed\xa0\x80\n\n",
    ],
    ids=["BOM", "invalid", "half", "split", "CR", "surrogate"],
)
@pytest.mark.parametrize("size", [1, 3, 0])
async def test_18_bytes_that_are_no_text_are_relayed_as_they_are(tmp_path: Path, odd: bytes, size: int) -> None:
    """Nothing is injected into a Responses stream, so it must pass byte for byte."""
    told = prepare(answer("Grüße, 🙂!"), dialect="responses", stream=True)
    sent = odd + b"".join(piece for piece in told.body if isinstance(piece, bytes))
    async with house(tmp_path, reply(cut(sent, size), headers=EVENTS)) as gateway:
        response = await gateway.ask(RESPONSES, stream=True)
    assert response.content == sent


async def test_22_a_compressed_answer_that_grows_without_end_is_given_up(tmp_path: Path) -> None:
    bomb = gzip.compress(b" " * 100_000_000, compresslevel=1)
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    async with house(tmp_path, reply(bomb, headers=headers)) as gateway:
        before = grown()
        response = await gateway.ask()
        assert grown() - before < 300_000_000
        assert response.status_code == 502
        assert "67108864" in response.text
        (row,) = await gateway.ended()
    assert row["status"] == "failed"


@pytest.mark.parametrize("path", ROUTES)
async def test_26_an_answer_cut_at_every_byte_is_the_same_answer_with_the_same_records(
    tmp_path: Path, path: str
) -> None:
    asked = body(path, stream=True)
    asked |= {"stream_options": {"include_usage": True}} if path == CHAT else {}
    first = prepare(
        answer("Let me look. ", call("bmcp_web_look", {"q": 1}, id="call_1"), id="resp-1"),
        dialect=DIALECTS[path],
        **asked,
    )
    last = prepare(answer("Grüße, ", "🙂!", id="resp-2"), dialect=DIALECTS[path], **asked)
    outcomes = []
    async with FakeMCPServer() as server:
        server.tool("look", "seen")
        async with house(tmp_path, servers={"web": server}) as gateway:
            for number, size in enumerate([0, 1, 2, 5, 17], 1):
                gateway.openai.handler = gateway.anthropic.handler = [sliced(first, size), sliced(last, size)]
                response = await gateway.ask(path, stream=True)
                row = (await gateway.ended(number))[-1]
                outcomes.append((UUID.sub(b"ID", response.content), records(gateway, row["id"]), row["status"]))
    assert "Grüße" in outcomes[0][0].decode()
    assert len(outcomes[0][1]) == 4  # the prompt, the call, and two rounds' tokens
    assert outcomes == [outcomes[0]] * len(outcomes)


def records(gateway: Any, interception: str) -> list[Any]:
    """What was recorded, without what differs between two of a kind."""
    tables = ("user_prompts", "tool_usages", "token_usages", "model_thoughts")
    own = {"id", "interception_id", "created_at", "completed_at"}
    rows = [row for table in tables for row in gateway.rows(table) if row["interception_id"] == interception]
    return [{key: value for key, value in row.items() if key not in own} for row in rows]


def cut(data: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(data[at : at + size] for at in range(0, len(data), size)) if size else (data,)


def sliced(made: Reply, size: int) -> Reply:
    whole = b"".join(piece for piece in made.body if isinstance(piece, bytes))
    return Reply(made.status, cut(whole, size), made.headers)


@pytest.mark.parametrize("path", ROUTES)
async def test_27_an_endless_stream_of_pings_ends_at_the_total_limit(tmp_path: Path, path: str) -> None:
    def pings() -> Iterator[Any]:
        while True:
            yield b": ping\n\n"
            yield delay(0.01)

    provider = {"timeouts": {"total": 0.5, "idle": 60, "first_byte": 60}}
    async with house(tmp_path, lambda _: reply(pings(), headers=EVENTS), provider=provider) as gateway:
        async with asyncio.timeout(5):
            response = await gateway.ask(path, stream=True)
        assert "did not finish within 0.5 s" in response.text
        (row,) = await gateway.ended()
    assert (row["status"], row["error_type"]) == ("failed", "timeout")


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("end", [truncate(), disconnect()], ids=["closed", "reset"])
async def test_28_an_answer_without_its_end_is_an_error_to_the_client(
    tmp_path: Path, path: str, stream: bool, end: Any
) -> None:
    async with house(tmp_path, answer("Half of the", end)) as gateway:
        response = await gateway.ask(path, stream=stream)
        assert "error" in response.text
        if stream:
            assert "Half of the" in response.text
        else:
            assert response.status_code in (502, 504)
        (row,) = await gateway.ended()
    assert row["status"] == "failed"
    assert row["error_message"]


@pytest.mark.parametrize("path", ROUTES)
async def test_29_when_the_client_leaves_the_provider_is_cancelled_and_the_usage_recorded(
    tmp_path: Path, path: str
) -> None:
    handler = answer("Let me think. ", wait(Gate()))
    async with house(tmp_path, handler) as gateway:
        async with gateway.client.stream("POST", path, json=body(path, stream=True)) as response:
            await anext(response.aiter_bytes())
        async with asyncio.timeout(1):
            await gateway.asked[0].client_left.wait()
        (row,) = await gateway.ended()
        (usage,) = gateway.rows("token_usages")
    assert (row["status"], row["error_type"]) == ("cancelled", "cancelled")
    assert json.loads(usage["metadata"]).keys() & {"partial", "estimated"}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("stream", [True, False])
async def test_29_when_the_client_leaves_a_running_tool_is_cancelled(tmp_path: Path, path: str, stream: bool) -> None:
    never = asyncio.Event()

    async def look(_: Any) -> str:
        await never.wait()
        return "too late"

    async with FakeMCPServer() as server:
        server.tool("look", look)
        async with house(tmp_path, answer(call("bmcp_web_look", {})), servers={"web": server}) as gateway:
            asking = asyncio.create_task(gateway.ask(path, stream=stream))
            await server.called()
            asking.cancel()
            async with asyncio.timeout(1):
                await server.calls[0].ended.wait()
            assert server.calls[0].outcome == "cancelled"
            (row,) = await gateway.ended()
            (usage,) = gateway.rows("tool_usages")
    assert row["status"] == "cancelled"
    assert usage["invocation_error"]


async def test_42_connections_come_back_to_the_pool_whenever_requests_are_cancelled() -> None:
    """On a pool so small that most requests wait for a place in it."""
    chance = random.Random(42)

    def handler(request: Request) -> Any:
        return answer("One ", delay(chance.random() / 100), "two ", delay(chance.random() / 100), "three.")

    async with FakeOpenAI(handler, keep_requests=False) as provider:
        upstreams = UpstreamClient([Account(Provider("openai", OPENAI, provider.url))], limit=4)
        credential = Credential("byok", (b"authorization", b"Bearer own"), "…")
        target = Target("openai", "POST", "/chat/completions", b"", (), credential)
        asked = json.dumps(body(stream=True)).encode()

        async def one() -> None:
            async with upstreams.bind(target).open(asked) as response:
                async for _ in response:
                    pass

        tasks = [asyncio.create_task(one()) for _ in range(300)]
        for task in tasks:
            if chance.random() < 0.8:
                asyncio.get_running_loop().call_later(chance.random() / 4, task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(task.cancelled() for task in tasks) > 50
        assert not [task for task in tasks if not task.cancelled() and task.exception()]

        (pool,) = upstreams._pools.values()
        assert pool._session is not None
        connector = pool._session.connector
        assert isinstance(connector, aiohttp.TCPConnector)
        await eventually(lambda: not connector._acquired)
        assert not connector._waiters
        async with asyncio.timeout(5):
            await asyncio.gather(*(one() for _ in range(8)))
        await upstreams.aclose()


async def test_42_a_gateway_whose_clients_come_and_go_keeps_no_task_and_no_connection(tmp_path: Path) -> None:
    chance = random.Random(7)
    gate = Gate()
    async with house(tmp_path, answer("Let me ", wait(gate), "think.")) as gateway:

        async def asked(times: int) -> None:
            await eventually(lambda: len(gateway.asked) >= times)

        await gateway.client.get("/healthz")
        before = len(asyncio.all_tasks()), psutil.Process().num_fds()
        for _ in range(5):
            asking = [asyncio.create_task(gateway.ask(chance.choice(ROUTES), stream=True)) for _ in range(20)]
            await asked(len(gateway.asked) + chance.randint(0, 20))
            for task in asking:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*asking, return_exceptions=True)
        await eventually(lambda: len(asyncio.all_tasks()) <= before[0], 10)
        await eventually(lambda: all(row["ended_at"] for row in gateway.rows("interceptions")))
        gate.open()
        assert "think." in (await gateway.ask(stream=True)).text
        assert psutil.Process().num_fds() <= before[1] + 20
