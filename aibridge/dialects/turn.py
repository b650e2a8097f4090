"""What the exchanges of all dialects share: a request that grows, rounds that are put together, and a framing.

Each dialect furnishes these three; how they work together is the same for all and is written here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from aibridge.dialects.base import Exchange, add_usage, usage_of
from aibridge.dialects.request import Request
from aibridge.errors import UpstreamError
from aibridge.model import (
    JSON,
    Head,
    Headers,
    HiddenTurn,
    InjectedTool,
    Output,
    RecallKey,
    Record,
    Relay,
    ThoughtRecord,
    TokenUsage,
    ToolCall,
    ToolResult,
)

_NOT_RUN = "not run: the answer was cut off in mid-call"

R = TypeVar("R", bound="Round")


class Round(Protocol):
    """What one upstream response has said so far."""

    response_id: str | None
    model: str | None  # as the provider calls the one that answers
    ended: bool  # all that will come has come

    @property
    def usage(self) -> JSON:
        """The provider's last word on its tokens."""
        ...

    @property
    def cut_off(self) -> bool:
        """Whether the provider stopped in mid-answer, so that no call may be trusted to be whole."""
        ...

    def calls(self) -> list[ToolCall]:
        """The calls so far, in the order they came."""
        ...

    def thoughts(self) -> Iterator[ThoughtRecord]:
        """The reasoning that the provider showed."""
        ...

    def token_usage(self, request_bytes: int) -> TokenUsage:
        """The round's tokens; an estimate by its bytes where the provider said nothing of them."""
        ...


class Framing(Protocol[R]):  # type: ignore[misc]  # R is only taken, and mypy would have it contravariant
    """How a turn reaches the client: as a stream, or as one body."""

    error: UpstreamError | None  # the provider's own, once it has been relayed
    done: bool  # the answer's terminal event has come

    def start(self, round_: R) -> None:
        """Makes ready for the next round."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        ...

    def flow(self, data: bytes) -> bytes | None:
        """Takes plain words that go on at once, and gives back what the client sees; None for anything else.

        Nearly every piece of a stream is that, and comes to a process whose caches are cold: each call costs.
        """
        ...

    def receive(self, data: bytes) -> bytes:
        """Takes what `flow` has refused; what the client may see of it."""
        ...

    def end(self) -> bytes:
        """Takes the round's end; what the client may see of what was left. Raises UpstreamError for no answer."""
        ...

    def hide(self) -> bytes:
        """The round is one of several: what of it was withheld and is no call, finish or usage."""
        ...

    def finish(self, usage: JSON, rounds: int) -> bytes:
        """What was withheld of the last round, with the usage of all, and the end."""
        ...


class Turn(Exchange, Generic[R]):
    """An exchange made of a request, rounds and a framing."""

    def __init__(self, body: bytes, *, id: str, tools: Sequence[InjectedTool], max_tools: int = 128) -> None:  # noqa: A002
        super().__init__(body, id=id, tools=tools)
        self._client = self._read(body, tools, max_tools)
        self._framing = self._frame()
        self._round = self._new_round()
        self._recorded = True
        self._sent = 0  # bytes, in the open round's request
        self._usage: JSON = None
        self._pending: list[ToolCall] = []
        self._mixed = False  # the round holds calls of ours and of the client

    @abstractmethod
    def _read(self, body: bytes, tools: Sequence[InjectedTool], max_tools: int) -> Request[R]: ...

    @abstractmethod
    def _frame(self) -> Framing[R]: ...

    @abstractmethod
    def _new_round(self) -> R: ...

    @property
    def model(self) -> str:
        return self._client.model

    @property
    def streaming(self) -> bool:
        return self._client.streaming

    @property
    def prompt(self) -> str | None:
        return self._client.prompt

    @property
    def correlating_tool_call_id(self) -> str | None:
        return self._client.correlating_tool_call_id

    @property
    def left_out(self) -> int:
        return self._client.left_out

    @property
    def answered(self) -> bool:
        return self._framing.done

    def pending(self) -> list[ToolCall]:
        return self._pending

    def resume(self, results: Sequence[ToolResult]) -> bool:
        answered = list(zip(self._pending, results, strict=True))
        self._pending = []
        if self._mixed:
            self._client.set_aside(answered)
        else:
            self._client.append(self._round, answered)
        return not self._mixed

    def lookups(self) -> list[RecallKey]:
        return self._client.lookups()

    def restore(self, turns: Sequence[HiddenTurn]) -> None:
        if turns:
            self.recalled = self._client.restore(turns)

    def hidden(self) -> HiddenTurn | None:
        return self._client.hidden(self._round)

    def _request(self, last: bool) -> bytes:
        self._round = self._new_round()
        self._framing.start(self._round)
        self._recorded = False
        body = self._client.encode(last)
        self._sent = len(body)
        return body

    def receive(self, data: bytes) -> Iterable[Output]:
        words = self._framing.flow(data)
        return super().receive(data) if words is None else (Relay(words),)

    def _receive(self, data: bytes) -> Sequence[Output]:
        relayed = self._framing.receive(data)
        self.error = self._framing.error
        outputs: tuple[Output, ...] = (Relay(relayed),) if relayed else ()
        if self._prompted or self._round.response_id is None:
            return outputs
        return (*outputs, *self._prompt_record(self._round.response_id))

    def _end_round(self) -> Iterator[Output]:
        if relayed := self._framing.end():
            yield Relay(relayed)
        if not self._framing.complete:
            raise UpstreamError("the provider closed the stream before the answer was complete")
        self._round.ended = True
        self.error = self._framing.error
        self._usage = add_usage(self._usage, self._round.usage)
        calls = self._round.calls()
        if not (self.error or self._round.cut_off):
            self._pending = [call for call in calls if call.tool]
        self._mixed = bool(self._pending) and any(call.tool is None and not call.hosted for call in calls)
        if self._pending and not self._mixed and (relayed := self._framing.hide()):
            yield Relay(relayed)
        yield from self._records()

    def _finish(self) -> Iterator[Output]:
        if self.streaming and self.error:  # which has been relayed
            yield from self._terminate()
            return
        if not self.streaming:
            yield Head(self._status, _without_length(self._headers))
        if relayed := self._framing.finish(self._usage, self.rounds):
            yield Relay(relayed)

    def _records(self) -> Iterator[Record]:
        if self._recorded:
            return
        self._recorded = True
        yield from self._prompt_record(self._round.response_id)
        yield self._round.token_usage(self._sent)
        for call in self._round.calls():
            if call not in self._pending:
                yield usage_of(call, error=_NOT_RUN if call.tool else None)
        yield from self._round.thoughts()

    def _drop_pending(self) -> None:
        self._pending = []


def _without_length(headers: Headers) -> Headers:
    return tuple(header for header in headers if header[0] != b"content-length")
