"""In-memory twins of the ports: what they were asked is kept, what they answer is scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

from aibridge.errors import AibridgeError
from aibridge.model import Head, Headers, HiddenTurn, InjectedTool, RecallKey, Record, Relay, ToolCall, ToolResult

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs what never waits: the core needs no event loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # StopIteration.value is Any
    coroutine.close()
    raise AssertionError("the core waited for something")


Watch = Callable[[str], None]
"""Told of each thing that the core does, before it happens; what it raises happens instead."""


def unwatched(event: str) -> None:
    """Lets everything happen."""


@dataclass
class Answer:
    """One scripted response: its pieces as they arrive, then its end, or the error that cuts it."""

    pieces: Sequence[bytes]
    status: int = 200
    headers: Headers = ((b"content-type", b"text/event-stream"),)
    cut: AibridgeError | None = None
    watch: Watch = unwatched

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.watch("read")
            yield piece
        if self.cut is not None:
            raise self.cut


@dataclass
class _Opening(AbstractAsyncContextManager[Answer]):
    answer: Answer | AibridgeError

    async def __aenter__(self) -> Answer:
        if isinstance(self.answer, AibridgeError):
            raise self.answer
        return self.answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass
class ScriptedUpstream:
    """Answers one request after the other; an error instead of an answer means that there was none."""

    answers: Iterable[Answer | AibridgeError]
    watch: Watch = unwatched
    requests: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._answers = iter(self.answers)

    def open(self, body: bytes) -> _Opening:
        self.watch("open")
        self.requests.append(body)
        answer = next(self._answers)
        if isinstance(answer, Answer):
            answer.watch = self.watch
        return _Opening(answer)


@dataclass
class ScriptedToolbox:
    """Gives the scripted results by the raw name of the tool, and "ok" where none is scripted."""

    tools: Sequence[InjectedTool] = ()
    results: dict[str, ToolResult] = field(default_factory=dict)
    watch: Watch = unwatched
    calls: list[list[ToolCall]] = field(default_factory=list)

    async def call(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        self.watch("call")
        self.calls.append(list(calls))
        return [self._result(call) for call in calls]

    def _result(self, call: ToolCall) -> ToolResult:
        assert call.tool is not None, "only our own tools may be run"
        return self.results.get(call.tool.raw_name, ToolResult.failure("no such tool is scripted"))


@dataclass
class ClientSink:
    """The client's end: what reached it."""

    watch: Watch = unwatched
    heads: list[Head] = field(default_factory=list)
    writes: list[bytes] = field(default_factory=list)

    async def __call__(self, output: Head | Relay) -> None:
        self.watch("send")
        if isinstance(output, Head):
            self.heads.append(output)
        else:
            assert self.heads, "a body before its head"
            self.writes.append(output.data)


@dataclass
class RecordSink:
    """The recorder's end: the records in the order they came."""

    watch: Watch = unwatched
    records: list[Record] = field(default_factory=list)

    async def __call__(self, record: Record) -> None:
        self.watch("emit")
        self.records.append(record)


@dataclass
class MemoryRecall:
    """Keeps hidden turns in a list and finds none."""

    watch: Watch = unwatched
    kept: list[HiddenTurn] = field(default_factory=list)

    async def find(self, keys: Sequence[RecallKey]) -> list[HiddenTurn]:
        return []

    async def keep(self, turn: HiddenTurn) -> None:
        self.watch("keep")
        self.kept.append(turn)
