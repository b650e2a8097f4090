"""Doubles of what stands around the telemetry, and one interception to play with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import replace

from aibridge.errors import AibridgeError
from aibridge.model import (
    Actor,
    Credential,
    Headers,
    InjectedTool,
    Interception,
    Outcome,
    PromptRecord,
    Record,
    Target,
    ThoughtRecord,
    TokenUsage,
    ToolCall,
    ToolResult,
    ToolUsage,
)
from aibridge.ports import Response, Toolbox, Upstream

KEY = "sk-canary-0123456789abcdef"

INTERCEPTION = Interception(
    id="0b9f6c1e-7a52-4a55-9a3b-6f1f6c2f0001",
    actor=Actor("ada"),
    provider="openai",
    provider_name="work",
    dialect="chat_completions",
    method="POST",
    route="/work/v1/chat/completions",
    model="gpt-x",
    streaming=True,
    client="Codex",
    started_at=datetime(2026, 11, 20, tzinfo=UTC),
    session_id="session-7",
)
TARGET = Target(
    provider="work",
    method="POST",
    path="/chat/completions",
    query=b"",
    headers=((b"accept", b"*/*"),),
    credential=Credential("centralized", (b"authorization", f"Bearer {KEY}".encode()), "sk-…cdef"),
)
TOOL = InjectedTool("bmcp_time_now", "now", "time", "http://time/mcp", "tells the time", b"{}")
CALL = ToolCall("call_1", TOOL.name, '{"zone": "UTC"}', {"zone": "UTC"}, TOOL, "resp_1")


class FakeClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def nothing() -> None: ...


@dataclass
class FakeResponse:
    status: int
    chunks: Sequence[bytes | AibridgeError]
    before_chunk: Callable[[], None] = nothing
    headers: Headers = ()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            self.before_chunk()
            if isinstance(chunk, AibridgeError):
                raise chunk
            yield chunk


@dataclass
class FakeUpstreams:
    """Answers each request with the next of its responses, or raises it."""

    responses: list[FakeResponse | AibridgeError]
    before_answer: Callable[[], None] = nothing
    bound: list[Target] = field(default_factory=list)
    closed: int = 0

    def bind(self, target: Target) -> Upstream:
        self.bound.append(target)
        return self

    @asynccontextmanager
    async def open(self, body: bytes) -> AsyncIterator[Response]:
        self.before_answer()
        response = self.responses.pop(0)
        if isinstance(response, AibridgeError):
            raise response
        try:
            yield response
        finally:
            self.closed += 1


@dataclass
class FakeToolboxes:
    """Offers one tool, whose calls come to what `answer` says."""

    answer: Callable[[ToolCall], ToolResult] = lambda _: ToolResult(())
    before_answer: Callable[[], None] = nothing
    offered: list[tuple[Actor, str]] = field(default_factory=list)
    called: list[list[str]] = field(default_factory=list)
    tools: Sequence[InjectedTool] = (TOOL,)

    def offer(self, actor: Actor, wanted: str) -> Toolbox:
        self.offered.append((actor, wanted))
        return self

    async def call(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        self.called.append([call.id for call in calls])
        self.before_answer()
        return [self.answer(call) for call in calls]


class FakeRecorder:
    """Keeps in memory; raises what it is told to raise."""

    def __init__(self, error: Exception | None = None) -> None:
        self.taken: list[str] = []
        self._error = error

    async def start(self, interception: Interception) -> None:
        self._take("start")

    async def record(self, interception: Interception, record: Record) -> None:
        self._take(type(record).__name__)

    async def finish(self, interception: Interception, outcome: Outcome) -> None:
        self._take(outcome.status)

    def _take(self, what: str) -> None:
        self.taken.append(what)
        if self._error is not None:
            raise self._error


PROMPT = PromptRecord("what time is it?", "resp_1")
USAGE = TokenUsage("resp_1", input=10, output=5, cache_read=3, cache_write=2)
THOUGHT = ThoughtRecord("hm", "thinking")
INJECTED = ToolUsage("resp_1", "call_1", "now", b"{}", injected=True, server="time", server_url="http://time/mcp")
SELECTED = ToolUsage("resp_1", "call_2", "read_file", b"{}", injected=False)


def second(usage: TokenUsage = USAGE) -> TokenUsage:
    """What another round used."""
    return replace(usage, response_id="resp_2")
