"""The contract of an exchange, and what the exchanges of all dialects share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from aibridge.dialects.codec import as_input
from aibridge.dialects.refusal import message_in, refusal, refusal_headers
from aibridge.errors import AibridgeError, UpstreamError, classify
from aibridge.model import (
    JSON,
    DialectName,
    Head,
    Headers,
    HiddenTurn,
    InjectedTool,
    Outcome,
    Output,
    PromptRecord,
    RecallKey,
    Record,
    Relay,
    ToolCall,
    ToolResult,
    ToolUsage,
)

STREAM_HEADERS: Headers = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)

_UNFINISHED = "the turn ended before the tool's result came"
_NOT_OURS_IN_A_STREAM = {name for name, _ in STREAM_HEADERS} | {b"content-length"}


class Exchange(ABC):
    """One interception's conversation with its provider: bytes in; bytes and records out. It never does I/O.

    A round is request() → begin() → receive()… → end_round(). Then, while pending() names calls: resume() with their
    results, and the next round. At last finish(). Where the upstream is cut, or anything else goes wrong: abandon(),
    which settles the records of what was under way, and fail(), unless the client is gone. Methods that yield are
    to be exhausted.
    """

    dialect: ClassVar[DialectName]
    keepalive: ClassVar[bytes]
    """What keeps an idle stream alive without meaning anything."""

    def __init__(self, body: bytes, *, id: str, tools: Sequence[InjectedTool]) -> None:  # noqa: A002  the contract's word
        """Parses the client's body and decides what must change. Raises ClientError."""
        self.id = id
        self.rounds = 0
        self.recalled = 0  # hidden turns that were put back
        self.error: AibridgeError | None = None
        self._headed = False  # the response to the client has begun
        self._closed = False  # and ended
        self._prompted = False
        self._refused: bytearray | None = None  # the body of a non-2xx response
        self._status = 0
        self._headers: Headers = ()

    # What the interception's start record needs.

    @property
    @abstractmethod
    def model(self) -> str:
        """The model the client asked for."""

    @property
    @abstractmethod
    def streaming(self) -> bool:
        """Whether the client asked for a stream."""

    @property
    @abstractmethod
    def prompt(self) -> str | None:
        """What the person asked: the last message, if it is the user's."""

    @property
    @abstractmethod
    def correlating_tool_call_id(self) -> str | None:
        """The id of the call that the request's last message answers."""

    @property
    def left_out(self) -> int:
        """How many tools of ours there was no room for."""
        return 0

    @property
    def session_id(self) -> str | None:
        """The client's conversation, where the body says which."""
        return None

    # Hidden turns.

    def lookups(self) -> list[RecallKey]:
        """The keys under which hidden turns of this conversation may be kept."""
        return []

    def restore(self, turns: Sequence[HiddenTurn]) -> None:
        """Puts hidden turns back, before the first request()."""

    def hidden(self) -> HiddenTurn | None:
        """What the client was not shown in this turn; to be kept before finish() goes out."""
        return None

    # A round.

    @property
    def answered(self) -> bool:
        """Whether the answer's terminal event has come, so that a cut can take nothing from it."""
        return False

    def request(self, last: bool = False) -> bytes:
        """The next round's body. last: the model must answer in words."""
        self.rounds += 1
        self._refused = None
        return self._request(last)

    def begin(self, status: int, headers: Headers) -> Iterator[Output]:
        """Takes the response's start. Yields the Head in round 1 of a stream."""
        self._status, self._headers = status, headers
        if not 200 <= status < 300:
            self._refused = bytearray()
        elif self.streaming and not self._headed:
            self._headed = True
            kept = tuple(header for header in headers if header[0] not in _NOT_OURS_IN_A_STREAM)
            yield Head(status, kept + STREAM_HEADERS)

    def receive(self, data: bytes) -> Iterable[Output]:
        """Takes bytes of the body as they come. Raises UpstreamError where they can't be borne."""
        if self._refused is None:
            return self._receive(data)
        self._refused += data
        return ()

    def end_round(self) -> Iterator[Output]:
        """Takes the body's end. Raises UpstreamError where the answer has none, or is a refusal after round 1."""
        if self._refused is None:
            yield from self._end_round()
        else:
            yield from self._records()
            yield from self._pass_refusal(bytes(self._refused))

    @abstractmethod
    def pending(self) -> list[ToolCall]:
        """The injected calls to run now; [] when the turn is over."""

    @abstractmethod
    def resume(self, results: Sequence[ToolResult]) -> bool:
        """Appends the pending calls and their results. False: a mixed round, the turn ends with the client's calls."""

    def finish(self) -> Iterator[Output]:
        """What was withheld: the finish, the usage, the terminator; the whole answer in blocking mode."""
        if not self._closed:
            yield from self._finish()
            self._closed = True

    def fail(self, error: AibridgeError) -> Iterator[Output]:
        """Tells the client: out of band before the response has begun, in band afterwards."""
        told, self.error = self.error is not None, self.error or error
        if self._closed:
            return
        if not self._headed:
            yield Head(error.status, refusal_headers(error))
            yield Relay(refusal(self.dialect, error))
        else:
            if not told:
                yield self._error_event(error)
            yield from self._terminate()
        self._headed = self._closed = True

    def abandon(self) -> Iterator[Record]:
        """Settles what is under way, once: the open round's usage and calls, those of pending calls too."""
        yield from self._records()
        for call in self.pending():
            yield usage_of(call, error=_UNFINISHED)
        self._drop_pending()

    @property
    def outcome(self) -> Outcome:
        """How the interception stands."""
        if self.error is None:
            return Outcome("completed", self.rounds)
        return Outcome("failed", self.rounds, self.error.type, self.error.message)

    # What each dialect furnishes.

    @abstractmethod
    def _request(self, last: bool) -> bytes: ...

    @abstractmethod
    def _receive(self, data: bytes) -> Iterable[Output]: ...

    @abstractmethod
    def _end_round(self) -> Iterator[Output]: ...

    @abstractmethod
    def _records(self) -> Iterator[Record]:
        """The records of the open round, once."""

    @abstractmethod
    def _drop_pending(self) -> None: ...

    @abstractmethod
    def _finish(self) -> Iterator[Output]: ...

    @abstractmethod
    def _error_event(self, error: AibridgeError) -> Relay: ...

    @abstractmethod
    def _terminate(self) -> Iterator[Output]:
        """What ends a stream of this dialect after an error."""

    # What they share.

    def _prompt_record(self, response_id: str | None) -> Iterator[Record]:
        prompt = self.prompt
        if not self._prompted:
            self._prompted = True
            if prompt is not None:
                yield PromptRecord(prompt, response_id)

    def _pass_refusal(self, body: bytes) -> Iterator[Output]:
        message = message_in(body) or f"the provider answered with status {self._status}"
        error = UpstreamError(
            message, status=self._status, type=classify(self._status, message), retry_after=_retry_after(self._headers)
        )
        if self.rounds > 1:
            raise error
        self.error, self._headed, self._closed = error, True, True
        yield Head(self._status, self._headers)
        yield Relay(body)


def usage_of(call: ToolCall, result: ToolResult | None = None, *, error: str | None = None) -> ToolUsage:
    """The record of a call, with what came of it."""
    tool = call.tool
    return ToolUsage(
        response_id=call.response_id,
        call_id=call.id,
        tool=tool.raw_name if tool else call.name,
        input=as_input(call.text, call.input),
        injected=tool is not None,
        server=tool.server if tool else None,
        server_url=tool.server_url if tool else None,
        error=result.error if result else error,
        metadata={"cut_from_chars": result.cut_from} if result and result.cut_from else {},
        called_at=result.called_at if result else None,
        completed_at=result.completed_at if result else None,
    )


def add_usage(total: JSON, more: JSON) -> JSON:
    """The sum of two rounds' usage objects, member by member; what can't be added is the later one's."""
    if isinstance(total, dict) and isinstance(more, dict):
        return {key: add_usage(total.get(key), more.get(key)) for key in {**total, **more}}
    if more is None:
        return total
    return total + more if _is_number(total) and _is_number(more) else more


def _is_number(value: JSON) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _retry_after(headers: Headers) -> float | None:
    value = dict(headers).get(b"retry-after", b"")
    return float(value) if value.isdigit() else None
