"""The rooms that follow the settings."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from starlette.types import Message

from aibridge.config import ConfigError, Settings
from aibridge.gateway.identity import Anonymous
from aibridge.gateway.services import Services
from aibridge.ports import NoRecall, NoRecorder, Unobserved
from aibridge.rooms import Rooms
from aibridge.testing.mcp_server import FakeMCPServer
from aibridge.tools.pinning import MemoryPins
from aibridge.tools.session import ServerSession
from aibridge.tools.toolbox import ToolServers
from aibridge.upstream import UpstreamClient
from aibridge.upstream.breakers import unwatched
from tests.waiting import eventually


def services(upstreams: UpstreamClient, tools: ToolServers, settings: Settings) -> Services:
    def now() -> datetime:
        return datetime.now(UTC)

    return Services(Anonymous(), upstreams, tools, NoRecorder(), NoRecall(), Unobserved(), now)


def rooms(settings: Settings) -> Rooms:
    return Rooms(settings, services, {}, MemoryPins(), watch=unwatched)


def with_servers(**urls: str) -> Settings:
    return Settings.model_validate({"mcp_servers": {name: {"url": url} for name, url in urls.items()}})


async def test_new_servers_are_waited_for_and_old_ones_closed() -> None:
    async with FakeMCPServer() as one, FakeMCPServer() as two:
        house = rooms(with_servers(one=one.url))
        await house.start()
        await house.tools.settled(5)
        (session,) = (part for part in house.tools.parts if isinstance(part, ServerSession))
        await house.renew(with_servers(two=two.url))
        assert [(state.server, state.state) for state in house.tools.states()] == [("two", "connected")]
        await eventually(lambda: session.state == "failed")
        await house.aclose()


async def test_where_it_is_broken_off_nothing_is_left_of_it() -> None:
    hung = socket.create_server(("127.0.0.1", 0))  # nobody ever answers
    house = rooms(Settings())
    before = house.tools, house.upstreams
    port = hung.getsockname()[1]
    renewing = asyncio.create_task(house.renew(with_servers(hung=f"http://127.0.0.1:{port}/mcp")))
    await eventually(lambda: [task for task in asyncio.all_tasks() if task.get_name() == "mcp-server-hung"])
    renewing.cancel()
    with suppress(asyncio.CancelledError):
        await renewing
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "mcp-server-hung"]
    assert (house.tools, house.upstreams) == before
    await house.aclose()
    hung.close()


async def test_what_only_the_rooms_can_see_is_an_error_of_the_settings() -> None:
    bad = Settings.model_validate({"providers": {"openai": {"ca_file": "/nowhere.pem"}}})
    with pytest.raises(ConfigError, match=r"providers\.openai\.ca_file"):
        rooms(bad)
    house = rooms(Settings())
    with pytest.raises(ConfigError, match=r"providers\.openai\.ca_file"):
        await house.renew(bad)
    await house.aclose()


async def test_the_log_level_is_taken_over() -> None:
    house = rooms(Settings())
    before = logging.getLogger("aibridge").level, logging.getLogger("uvicorn").level, logging.getLogger().level
    try:
        await house.renew(Settings.model_validate({"telemetry": {"log_level": "error"}}))
        assert logging.getLogger("aibridge").level == logging.ERROR
    finally:
        for name, level in zip(("aibridge", "uvicorn", None), before, strict=True):
            logging.getLogger(name).setLevel(level)
    await house.aclose()


async def test_requests_are_counted_together_whichever_settings_they_began_with() -> None:
    one = Settings.model_validate({"server": {"max_concurrent_requests": 1}})
    house = rooms(one)
    scope = {"type": "http", "method": "POST", "path": "/v1/responses", "raw_path": b"/v1/responses", "headers": []}
    scope["query_string"] = b""
    statuses: list[int] = []
    waiting = asyncio.Event()

    async def receive() -> Message:
        waiting.set()
        await asyncio.Event().wait()
        raise AssertionError("that was for ever")

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    byok = {"headers": [(b"host", b"localhost"), (b"authorization", b"Bearer sk-mine"), (b"content-length", b"9")]}
    first = asyncio.create_task(house.served({**scope, **byok}, receive, send))
    await asyncio.wait_for(waiting.wait(), 5)
    await house.renew(one.model_copy(update={"tools": one.tools.model_copy(update={"prefix": "new"})}))
    await house.served(dict(scope), receive, send)
    assert statuses[0] == 503
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    await house.aclose()
