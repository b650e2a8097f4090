"""A gateway on a loopback port, with a real provider room behind it and a ledger in place of the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

import httpx2
from starlette.types import ASGIApp

from aibridge.errors import Unavailable
from aibridge.gateway.identity import Anonymous
from aibridge.gateway.listening import listen, url_of
from aibridge.gateway.routes import Gateway
from aibridge.gateway.server import Server
from aibridge.gateway.services import Limits, Services
from aibridge.model import Actor, InjectedTool, Interception, Outcome, Record, Text, ToolCall, ToolResult
from aibridge.ports import Budgets, EmptyToolbox, NoBudgets, NoRecall, Toolbox, Unobserved
from aibridge.providers import ANTHROPIC, OPENAI, Provider
from aibridge.testing import FakeOpenAI
from aibridge.testing.behaviour import Behaviour, no_handler
from aibridge.upstream import Account, UpstreamClient

CLOCK = InjectedTool("bmcp_time_now", "now", "time", "stdio", "The time.", b'{"type":"object","properties":{}}')

LIMITS = Limits(max_request_bytes=1_000_000, keepalive_seconds=15, max_rounds=5, max_tools=128)

R = TypeVar("R", bound=Record)


@dataclass
class Ledger:
    """A recorder that keeps all in memory."""

    started: list[Interception] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    down: bool = False

    async def start(self, interception: Interception) -> None:
        if self.down:
            raise Unavailable("the database is away")
        self.started.append(interception)

    async def record(self, interception: Interception, record: Record) -> None:
        self.records.append(record)

    async def finish(self, interception: Interception, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.ended.set()

    async def outcome(self) -> Outcome:
        """The first interception's end."""
        async with asyncio.timeout(5):
            await self.ended.wait()
        return self.outcomes[0]

    def of(self, kind: type[R]) -> list[R]:
        """The records of one kind."""
        return [record for record in self.records if isinstance(record, kind)]


@dataclass
class Clock:
    """A toolbox with one tool that tells the time, unless it is stopped."""

    tools: Sequence[InjectedTool] = (CLOCK,)
    stopped: asyncio.Event | None = None
    called: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        self.called.set()
        try:
            if self.stopped is not None:
                await self.stopped.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return [ToolResult((Text("noon"),)) for _ in calls]


@dataclass
class Shelf:
    """Offers one toolbox to all, and notes what was wanted."""

    toolbox: Toolbox
    wanted: list[str] = field(default_factory=list)

    def offer(self, actor: Actor, wanted: str) -> Toolbox:
        self.wanted.append(wanted)
        return EmptyToolbox() if wanted == "off" else self.toolbox


@dataclass
class Served:
    """The gateway under test, and what is around it."""

    url: str
    client: httpx2.AsyncClient
    provider: FakeOpenAI
    ledger: Ledger
    shelf: Shelf

    async def ask(self, path: str = "/openai/v1/chat/completions", **body: object) -> httpx2.Response:
        """One chat completion."""
        return await self.client.post(path, json=chat(**body))


def chat(**more: object) -> dict[str, object]:
    """A body, with more members or other ones."""
    return {"model": "gpt-6", "messages": [{"role": "user", "content": "What time is it?"}], **more}


@asynccontextmanager
async def gateway(
    behaviour: Behaviour = no_handler,
    *,
    routes: dict[str, Behaviour] | None = None,
    toolbox: Toolbox | None = None,
    limits: Limits = LIMITS,
    total: float = 60,
    pages: dict[str, ASGIApp] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    budgets: Budgets | None = None,
    **provider_options: object,
) -> AsyncIterator[Served]:
    """Serves two providers, `openai` (a fake one) and `anthropic` (nobody there)."""
    async with FakeOpenAI(behaviour, routes=routes) as fake:
        openai = Provider("openai", OPENAI, fake.url, api_keys=("sk-canary-0123456789abcdef",))
        openai = replace(openai, **provider_options)  # type: ignore[arg-type]  # a test's own words
        anthropic = Provider("anthropic", ANTHROPIC, "http://127.0.0.1:9", api_keys=("sk-ant",))
        upstreams = UpstreamClient([Account(openai), Account(anthropic)])
        ledger, shelf = Ledger(), Shelf(toolbox or EmptyToolbox())
        services = Services(
            Anonymous(), upstreams, shelf, ledger, NoRecall(), Unobserved(), now, budgets or NoBudgets()
        )
        app = Gateway(services, limits, [(openai, total), (anthropic, total)], pages or {})
        async with _serving(app) as url, httpx2.AsyncClient(base_url=url, timeout=10) as client:
            yield Served(url, client, fake, ledger, shelf)
        await upstreams.aclose()


@asynccontextmanager
async def _serving(app: Gateway) -> AsyncIterator[str]:
    server = Server(app, grace_seconds=0, on_stop=lambda: None)
    with listen("127.0.0.1", 0) as listener:
        task = asyncio.create_task(server.run_on(listener))
        try:
            yield url_of(listener)
        finally:
            server.stop()
            await task
