"""What the load and the scripted provider need to know of a dialect."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

SYSTEM = (
    "You are a careful assistant in a code editor. You answer briefly, you read files before you change them, and you "
    "say so when you do not know. Prefer small steps; run the tests after each. "
) * 6
USER = "Why does the second test fail since yesterday, and what would be the smallest change that mends it?"

ARGUMENTS = rb"{\"text\":\"hello\"}"
"""Of the call, as they stand within a JSON string."""

WORDS = b" and so the answer goes on" * 32
"""An answer of about 200 tokens."""


class Dialect(ABC):
    """A wire API from both ends. A stream is `opening()`, some `text()` and `ending()`: its events' bytes."""

    name: ClassVar[str]
    path: ClassVar[str]
    headers: ClassVar[str]
    """Those of the official SDK that say who it is, and the client's key."""

    events: ClassVar[int]
    """The events of a stream beside its words."""

    last: ClassVar[bytes]
    """How the data of its last event begins."""

    call_mark: ClassVar[bytes]
    """What stands in every call, and so in no answer whose calls are hidden."""

    result_mark: ClassVar[bytes]
    """What stands in a request that has a tool's result."""

    @abstractmethod
    def asked(self, *, streaming: bool) -> dict[str, Any]:
        """A client's body of about 1.5 kB, without its model."""

    @abstractmethod
    def answer(self) -> bytes:
        """A whole body that is no stream."""

    @abstractmethod
    def opening(self) -> bytes:
        """The events before the first words."""

    @abstractmethod
    def text(self, words: bytes, number: int) -> bytes:
        """The event with some words; `number`: how many have gone before it."""

    @abstractmethod
    def ending(self, count: int) -> bytes:
        """The events behind so many with words."""

    @abstractmethod
    def call(self, name: bytes) -> bytes:
        """A whole stream that says nothing and calls one tool."""

    def texts(self, count: int) -> list[bytes]:
        """So many events with words."""
        return [self.text(b" word%d" % number, number) for number in range(count)]

    def is_whole(self, body: bytes, count: int) -> bool:
        """Whether a client has got a stream with so many events of words, its end, and no call."""
        last = body[body.rfind(b"data: ") :]
        complete = body.count(b"data: ") == count + self.events and last.startswith(b"data: " + self.last)
        return complete and self.call_mark not in body


def event(data: bytes, name: bytes = b"") -> bytes:
    """One event in a chunk of HTTP of its own, as providers send it."""
    lines = b"event: %b\ndata: %b\n\n" % (name, data) if name else b"data: %b\n\n" % data
    return b"%x\r\n%b\r\n" % (len(lines), lines)
