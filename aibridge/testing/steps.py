"""What an answer may do besides speaking: wait, cut itself short, break the connection, send odd bytes.

Each step is a plain value that stands among the pieces of an answer, where it is to happen:
`answer("Let me ", wait(gate), "think", disconnect())`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Waitable(Protocol):
    """A Gate, an asyncio.Event, or anything else with `async wait()`."""

    async def wait(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing more is sent until the event is set, or the gate opened."""

    event: Waitable


@dataclass(frozen=True, slots=True)
class Delay:
    """Nothing more is sent for a time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Truncate:
    """The response ends here, cleanly as far as HTTP can tell."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The TCP connection is reset."""


@dataclass(frozen=True, slots=True)
class Head:
    """The status and the headers are sent, and as yet no body."""


Step = Wait | Delay | Truncate | Disconnect | Head


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """An error in the midst of a stream, in the dialect's own form."""

    message: str
    type: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes that go into a stream just as they are."""

    data: bytes


def wait(event: Waitable) -> Wait:
    """Holds the answer until `event` is set; a Gate works across threads, an asyncio.Event in one event loop."""
    return Wait(event)


def delay(seconds: float) -> Delay:
    """Holds the answer for a time. A test that can `wait()` for a gate instead is faster and never flaky."""
    return Delay(seconds)


def truncate() -> Truncate:
    """Ends the response here: the stream lacks its terminal event, yet HTTP sees a clean end."""
    return Truncate()


def disconnect() -> Disconnect:
    """Resets the TCP connection here. As the first step: before any response."""
    return Disconnect()


def head() -> Head:
    """Sends status and headers at once; without it they go out together with the first bytes of the body."""
    return Head()


def error_event(message: str, *, type: str | None = None, code: str | None = None) -> ErrorEvent:  # noqa: A002  the name that OpenAI gave it
    """An in-band error, after which the stream ends.

    Chat completions: a chunk with `error`. Responses: the event `error`, and in an `answer()` then `response.failed`.
    Messages: the event `error`; its type is `api_error` unless another is given, such as `overloaded_error`.
    An `answer()` to a request that does not stream becomes HTTP 500 with this error.
    """
    return ErrorEvent(message, type, code)


def raw(data: bytes) -> Raw:
    """Bytes as they are, valid or not. They are left out where the request does not stream."""
    return Raw(data)


def ping() -> Raw:
    """The event with which Anthropic keeps a connection alive; one stands in each stream anyway, in its first block."""
    return Raw(b'event: ping\ndata: {"type":"ping"}\n\n')


def comment(text: str) -> Raw:
    """A comment of server-sent events, such as providers send to keep a connection alive."""
    return Raw(b": %b\n\n" % text.encode())
