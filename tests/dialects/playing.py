"""A playbook: the real loop and the real exchange between in-memory twins, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from aibridge.dialects.base import Exchange
from aibridge.errors import AibridgeError
from aibridge.loop import Loop
from aibridge.model import (
    Head,
    HiddenTurn,
    InjectedTool,
    Outcome,
    PromptRecord,
    Record,
    Text,
    ThoughtRecord,
    TokenUsage,
    ToolCall,
    ToolResult,
    ToolUsage,
)
from tests.twins import (
    Answer,
    ClientSink,
    MemoryRecall,
    RecordSink,
    ScriptedToolbox,
    ScriptedUpstream,
    Watch,
    run,
    unwatched,
)

UUID = "0b9f8c1e-7d1c-4a53-9b0f-2f1e6a1c0001"

R = TypeVar("R", PromptRecord, ThoughtRecord, TokenUsage, ToolUsage)


def injected(name: str, schema: bytes = b'{"type":"object","properties":{}}') -> InjectedTool:
    """A tool of ours: `time` becomes `bmcp_srv_time`."""
    return InjectedTool(f"bmcp_srv_{name}", name, "srv", "http://srv", f"The tool {name}.", schema)


TIME, CITY = injected("time"), injected("city")
RESULTS = {"time": ToolResult((Text("17:00"),)), "city": ToolResult((Text("Oslo"),))}


@dataclass(frozen=True)
class Said:
    """A call as a model makes it."""

    id: str
    name: str
    arguments: str = "{}"


@dataclass(frozen=True)
class Say:
    """One round of a provider in no dialect: its words, its calls, how it ends, and its tokens (in, out)."""

    text: str = ""
    calls: tuple[Said, ...] = ()
    finish: str = ""  # "" for the usual one: tool_calls if there are calls, else stop; or length
    usage: tuple[int, int] | None = (10, 5)
    id: str = "resp-1"
    thought: str = ""  # reasoning that the provider shows before its words, where the dialect has a form for it

    @property
    def ending(self) -> str:
        """How it ends, in chat completions' words."""
        return self.finish or ("tool_calls" if self.calls else "stop")


@dataclass(frozen=True)
class Heard:
    """What a client makes of an answer."""

    text: str = ""
    calls: tuple[Said, ...] = ()
    finish: str | None = None  # in chat completions' words
    usage: tuple[int, int] | None = None
    ids: frozenset[str] = frozenset()
    error: str | None = None
    thought: str = ""


@dataclass
class Played:
    """What each side saw of a turn."""

    client: ClientSink
    sink: RecordSink
    requests: list[bytes]
    toolbox: ScriptedToolbox
    outcome: Outcome
    timeline: list[str]
    exchange: Exchange
    kept: list[HiddenTurn]

    @property
    def head(self) -> Head:
        assert len(self.client.heads) == 1, "one response has one head"
        return self.client.heads[0]

    @property
    def body(self) -> bytes:
        return b"".join(self.client.writes)

    @property
    def records(self) -> list[Record]:
        return self.sink.records

    @property
    def ran(self) -> list[list[tuple[str, Any]]]:
        """The calls that were run, round by round: raw name and arguments."""
        return [[(_raw_name(call), call.input) for call in calls] for calls in self.toolbox.calls]

    def of(self, kind: type[R]) -> list[R]:
        """The records of one kind."""
        return [record for record in self.records if isinstance(record, kind)]


def _raw_name(call: ToolCall) -> str:
    assert call.tool is not None
    return call.tool.raw_name


class Voice(Protocol):
    """A dialect as the two ends speak it; a further dialect joins the table with one of these."""

    name: str

    def request(self, *, streaming: bool, **members: Any) -> bytes:
        """A client's body: one question of a user, unless told otherwise. Asks for usage where one must ask."""
        ...

    def tool(self, name: str) -> dict[str, Any]:
        """A client tool as it is declared."""
        ...

    def placed(self, ours: list[str], theirs: list[str]) -> list[str]:
        """The names of all tools in the order that this dialect offers them."""
        ...

    def free(self, kind: str) -> Any:
        """A tool-choice that forces nothing: `auto` or `none`."""
        ...

    def forced(self) -> list[Any]:
        """The tool-choices that force a call."""
        ...

    def forged(self) -> dict[str, Any]:
        """A request's members that claim an earlier, answered call of TIME."""
        ...

    def exchange(self, body: bytes, tools: Sequence[InjectedTool]) -> Exchange: ...

    def answer(self, say: Say, *, streaming: bool) -> bytes:
        """A provider's whole response."""
        ...

    def ending(self, answer: bytes, *, streaming: bool) -> int:
        """Where an answer's end begins: cut before it, the answer is incomplete."""
        ...

    def error_event(self, message: str) -> bytes:
        """A provider's in-band error."""
        ...

    def heard(self, body: bytes, *, streaming: bool) -> Heard:
        """Reads what the client got; asserts that it is well-formed, with one start and one end."""
        ...

    def known_as(self, first: str) -> str:
        """The id under which the client knows a turn whose first round has this id."""
        ...

    def offered(self, request: bytes) -> list[str]:
        """The names of the tools in an outgoing request, in order."""
        ...

    def choice(self, request: bytes) -> Any:
        """The tool-choice of an outgoing request: none, auto, or what else it is."""
        ...

    def answered(self, request: bytes) -> list[tuple[str, str]]:
        """The results in an outgoing request: call id and text, in order."""
        ...

    def conversation(self, request: bytes) -> list[Any]:
        """What an outgoing request tells of the conversation."""
        ...


def split(data: bytes, size: int) -> list[bytes]:
    """The bytes in pieces of one size; 0: in one piece."""
    return [data[at : at + size] for at in range(0, len(data), size)] if size else [data]


@dataclass
class Stage:
    """An exchange and its loop between twins, not yet run."""

    exchange: Exchange
    answers: Iterable[Answer | AibridgeError]
    tools: Sequence[InjectedTool] = ()
    results: dict[str, ToolResult] = field(default_factory=lambda: RESULTS)
    watch: Watch = unwatched

    def __post_init__(self) -> None:
        self.timeline: list[str] = []
        self.client = ClientSink(self._seen)
        self.sink = RecordSink(self._seen)
        self.recall = MemoryRecall(self._seen)
        self.upstream = ScriptedUpstream(self.answers, self._seen)
        self.toolbox = ScriptedToolbox(self.tools, self.results, self._seen)
        self.loop = Loop(self.exchange, self.upstream, self.toolbox, self.recall, send=self.client, emit=self.sink)

    def _seen(self, event: str) -> None:
        self.timeline.append(event)
        self.watch(event)

    def played(self) -> Played:
        return Played(
            self.client,
            self.sink,
            self.upstream.requests,
            self.toolbox,
            self.exchange.outcome,
            self.timeline,
            self.exchange,
            self.recall.kept,
        )


def perform(stage: Stage, max_rounds: int = 8) -> Played:
    """Runs the turn to its end."""
    run(stage.loop.run(max_rounds))
    return stage.played()


def play(
    voice: Voice,
    body: bytes,
    rounds: Iterable[bytes | Answer | AibridgeError],
    *,
    tools: Sequence[InjectedTool] = (TIME, CITY),
    results: dict[str, ToolResult] | None = None,
    size: int = 0,
    max_rounds: int = 8,
) -> Played:
    """Plays a client's body against scripted rounds; `size`: how many bytes arrive at a time."""
    answers = (Answer(split(item, size)) if isinstance(item, bytes) else item for item in rounds)
    stage = Stage(voice.exchange(body, tools), answers, tools, RESULTS if results is None else results)
    return perform(stage, max_rounds)
