"""The loop, apart from any dialect: who is asked in which order, and what happens when somebody fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import pytest

from aibridge.dialects.base import Exchange
from aibridge.errors import AibridgeError, UpstreamError
from aibridge.loop import Loop
from aibridge.model import (
    DialectName,
    Head,
    HiddenTurn,
    InjectedTool,
    Output,
    RecallKey,
    Record,
    Relay,
    ThoughtRecord,
    ToolCall,
    ToolResult,
    ToolUsage,
)
from aibridge.ports import EmptyToolbox, NoRecall
from tests.twins import Answer, ClientSink, MemoryRecall, RecordSink, ScriptedToolbox, ScriptedUpstream, run

TOOL = InjectedTool("bmcp_srv_time", "time", "srv", "http://srv", "", b"{}")
CALL = ToolCall("call-1", TOOL.name, "{}", {}, TOOL, "resp-1")
TURN = HiddenTurn((RecallKey("k"),), b"[]")


class Plain(Exchange):
    """The smallest of dialects: bytes pass, `!` is a call of ours, `?` ends the world."""

    dialect: ClassVar[DialectName] = "responses"
    keepalive = b":\n\n"
    model = "m"
    streaming = True
    prompt = None
    correlating_tool_call_id = None
    lasts: list[bool]

    def __init__(self) -> None:
        super().__init__(b"", id="i", tools=())
        self.lasts = []
        self._calls: list[ToolCall] = []
        self._thoughts: list[Record] = []

    def _request(self, last: bool) -> bytes:
        self.lasts.append(last)
        return b"request %d" % self.rounds

    def _receive(self, data: bytes) -> Iterator[Output]:
        self._thoughts.append(ThoughtRecord(data.decode(), "thinking"))
        yield Relay(data)
        yield ThoughtRecord("early", "commentary")
        if b"?" in data:
            raise UpstreamError("that can't be borne")
        self._calls = [CALL] * data.count(b"!")
        yield Relay(b"|")

    def _end_round(self) -> Iterator[Output]:
        yield from self._records()

    def pending(self) -> list[ToolCall]:
        return self._calls

    def resume(self, results: Sequence[ToolResult]) -> bool:
        self._calls = []
        return True

    def _records(self) -> Iterator[Record]:
        thoughts, self._thoughts = self._thoughts, []
        yield from thoughts

    def _drop_pending(self) -> None:
        self._calls = []

    def _finish(self) -> Iterator[Output]:
        yield Relay(b"finish")

    def _error_event(self, error: AibridgeError) -> Relay:
        return Relay(b"error")

    def _terminate(self) -> Iterator[Output]:
        yield Relay(b"end")


class Hiding(Plain):
    """A dialect that has more to tell: `.` ends the answer, and there is a hidden turn."""

    answered = False

    def _receive(self, data: bytes) -> Iterator[Output]:
        self.answered = data.endswith(b".")
        return super()._receive(data)

    def hidden(self) -> HiddenTurn | None:
        return TURN


class Table:
    """A loop and all that sits around it."""

    def __init__(self, *answers: Answer | AibridgeError | bytes, dialect: type[Plain] = Plain) -> None:
        self.seen: list[str] = []
        self.exchange = dialect()
        scripted = [Answer([answer]) if isinstance(answer, bytes) else answer for answer in answers]
        self.upstream = ScriptedUpstream(scripted, self.seen.append)
        self.toolbox = ScriptedToolbox((TOOL,), {"time": ToolResult(())}, self.seen.append)
        self.recall = MemoryRecall(self.seen.append)
        self.client = ClientSink(self.seen.append)
        self.sink = RecordSink(self.seen.append)
        self.loop = Loop(self.exchange, self.upstream, self.toolbox, self.recall, send=self.client, emit=self.sink)

    @property
    def said(self) -> bytes:
        return b"".join(self.client.writes)

    @property
    def thoughts(self) -> list[str]:
        return [record.content for record in self.sink.records if isinstance(record, ThoughtRecord)]


def test_the_order_of_things() -> None:
    table = Table(b"a!", b"b.")
    run(table.loop.run(8))

    first = ["open", "send", "read", "send", "emit", "emit"]  # the head, then what came; the records behind it
    assert table.seen == [*first, "call", "emit", "open", "read", "send", "emit", "emit", "send"]
    assert table.said == b"a!|b.|finish"
    assert table.upstream.requests == [b"request 1", b"request 2"]


def test_what_came_together_goes_out_in_one_write() -> None:
    table = Table(Answer([b"a", b"b"]))
    run(table.loop.run(8))
    assert table.client.writes == [b"a|", b"b|", b"finish"]


@pytest.mark.parametrize(
    ("max_rounds", "lasts"), [(1, [True]), (2, [False, True]), (3, [False, False, True]), (4, [False, False, False])]
)
def test_the_last_permitted_round_is_told_so(max_rounds: int, lasts: list[bool]) -> None:
    table = Table(b"!", b"!", b".")
    run(table.loop.run(max_rounds))
    assert table.exchange.lasts == lasts


@pytest.mark.parametrize("max_rounds", [1, 2, 5])
def test_rounds_are_bounded(max_rounds: int) -> None:
    table = Table(*[b"!"] * 9)
    run(table.loop.run(max_rounds))

    assert len(table.upstream.requests) == max_rounds
    assert len(table.toolbox.calls) == max_rounds - 1
    assert table.said.endswith(b"errorend")
    assert table.exchange.outcome.error_message == (
        f"the model went on calling tools after {max_rounds} rounds (tools.max_rounds)"
    )


def test_the_hidden_turn_is_kept_before_the_client_can_be_back() -> None:
    table = Table(b"a.", dialect=Hiding)
    run(table.loop.run(8))

    assert table.recall.kept == [TURN]
    assert table.seen[-2:] == ["keep", "send"]


def test_nothing_hidden_is_not_kept() -> None:
    table = Table(b"a.")
    run(table.loop.run(8))
    assert table.recall.kept == []


def test_what_came_before_an_error_goes_out_before_it() -> None:
    table = Table(b"a?")
    run(table.loop.run(8))

    assert table.said == b"a?errorend"
    assert table.thoughts == ["early", "a?"]
    assert table.exchange.outcome.error_message == "that can't be borne"


def test_no_response_is_told_out_of_band() -> None:
    table = Table(UpstreamError("refused"))
    run(table.loop.run(8))

    assert table.client.heads == [Head(502, ((b"content-type", b"application/json"),))]
    assert b"refused" in table.said


def test_a_cut_is_told_in_band() -> None:
    table = Table(Answer([b"a"], cut=UpstreamError("reset")))
    run(table.loop.run(8))

    assert table.said == b"a|errorend"
    assert table.thoughts == ["early", "a"]


def test_a_cut_behind_the_answers_end_is_none() -> None:
    table = Table(Answer([b"a."], cut=UpstreamError("reset")), dialect=Hiding)
    run(table.loop.run(8))

    assert table.said == b"a.|finish"
    assert table.exchange.outcome.status == "completed"


def test_an_error_told_twice_is_told_once() -> None:
    table = Table(Answer([b"a"], cut=UpstreamError("reset")))
    run(table.loop.run(8))
    run(table.loop.fail(AibridgeError("and once more")))

    assert table.said == b"a|errorend"
    assert table.exchange.outcome.error_message == "reset"


def test_an_error_behind_the_end_is_only_recorded() -> None:
    table = Table(b"a.")
    run(table.loop.run(8))
    run(table.loop.fail(AibridgeError("too late")))

    assert table.said == b"a.|finish"
    assert table.exchange.outcome.error_message == "too late"


def test_finishing_twice_says_nothing_more() -> None:
    table = Table(b"a.")
    run(table.loop.run(8))
    assert list(table.exchange.finish()) == []


def test_a_fault_of_ours_is_not_swallowed() -> None:
    table = Table(b"a!")
    table.toolbox.results = None  # type: ignore[assignment]  # a fault, such as none should be
    with pytest.raises(AttributeError):
        run(table.loop.run(8))


def test_a_turn_that_is_abandoned_in_a_tool_has_its_call_on_record() -> None:
    table = Table(b"a!")
    table.toolbox.watch = _stop
    with pytest.raises(Stopped):
        run(table.loop.run(8))
    run(table.loop.abandon())

    [usage] = [record for record in table.sink.records if isinstance(record, ToolUsage)]
    assert (usage.tool, usage.error) == ("time", "the turn ended before the tool's result came")


@pytest.mark.parametrize("after", range(6))
def test_a_record_whose_taking_was_cancelled_is_handed_on_again(after: int) -> None:
    """As when the client leaves while the recorder is behind."""
    whole, table = Table(b"a!!", b"b."), Table(b"a!!", b"b.")
    run(whole.loop.run(8))
    emits = 0

    def watch(event: str) -> None:
        nonlocal emits
        emits += 1
        if emits == after + 1:
            raise Stopped

    table.sink.watch = watch
    with pytest.raises(Stopped):
        run(table.loop.run(8))
    run(table.loop.abandon())

    assert table.sink.records[: after + 1] == whole.sink.records[: after + 1]
    usages = [record for record in table.sink.records if isinstance(record, ToolUsage)]
    assert len(usages) == 2


class Stopped(BaseException):
    """As a cancellation comes."""


def _stop(event: str) -> None:
    raise Stopped


async def test_the_empty_twins_of_the_ports() -> None:
    toolbox, recall = EmptyToolbox(), NoRecall()
    assert list(toolbox.tools) == []
    [result] = await toolbox.call([CALL])
    assert result.error == "there is no tool 'bmcp_srv_time'"
    assert await recall.find([RecallKey("k")]) == []
    await recall.keep(TURN)


def test_what_an_exchange_need_not_furnish() -> None:
    exchange = Plain()
    exchange.restore([TURN])

    assert exchange.lookups() == []
    assert (exchange.hidden(), exchange.session_id) == (None, None)
    assert (exchange.answered, exchange.left_out) == (False, 0)
    assert exchange.outcome.status == "completed"
