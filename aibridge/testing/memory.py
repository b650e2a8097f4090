"""What a fake provider remembers of what it said, read off the wire: by it a strict one judges what comes back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator

import msgspec

from aibridge.model import JSON
from aibridge.sse import Decoder
from aibridge.testing.fault import Fault
from aibridge.testing.replies import Reply, only_piece
from aibridge.testing.request import Request
from aibridge.testing.steps import Step
from aibridge.testing.view import View

Take = Callable[[dict[str, JSON]], None]
"""Hears one event of a stream, or one body: decoded, and an object."""


class Memory(ABC):
    """One fake's memory of one dialect."""

    @abstractmethod
    def faults(self, request: Request) -> list[Fault]:
        """Why the provider would refuse the request; the first is what it would say."""

    @abstractmethod
    def view(self, request: Request) -> View:
        """What the request shows the model."""

    @abstractmethod
    def listener(self, request: Request) -> Take:
        """Who is to hear the answer to this request."""

    def overhear(self, request: Request, reply: Reply) -> Reply:
        """The same reply, remembered as it goes out. An error is nothing that the model said."""
        if reply.status != 200:
            return reply
        ear = _Ear(self.listener(request), streaming=request.stream)
        single = only_piece(reply)
        if single is None:
            return Reply(reply.status, ear.along(reply.body), reply.headers)
        for _ in ear.along((single,)):
            pass
        return reply


class _Ear:
    """Hears bytes, and tells what they say."""

    def __init__(self, take: Take, *, streaming: bool) -> None:
        self._take = take
        self._decoder = Decoder() if streaming else None
        self._body = bytearray()

    def along(self, body: Iterable[bytes | Step]) -> Iterator[bytes | Step]:
        for piece in body:
            if isinstance(piece, bytes):
                self._hear(piece)
            yield piece
        if self._decoder is None:
            self._tell(bytes(self._body))

    def _hear(self, data: bytes) -> None:
        if self._decoder is None:
            self._body += data
            return
        for event in self._decoder.feed(data):
            self._tell(event.data)

    def _tell(self, data: bytes) -> None:
        try:
            value = msgspec.json.decode(data)
        except ValueError:  # odd on purpose, or `[DONE]`
            return
        if isinstance(value, dict):
            self._take(value)
