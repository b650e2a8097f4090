"""What a server answers to a call over streamable HTTP: JSON-RPC messages, alone or in a stream of events."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx2
import msgspec

from aibridge.errors import UpstreamError
from aibridge.model import JSON
from aibridge.sse import Decoder, Event
from aibridge.tools import http

RESUMPTIONS = 2
"""How often a stream that ended early is asked for again while nothing new comes."""

SHORTEST_PAUSE, USUAL_PAUSE, LONGEST_PAUSE = 0.05, 1.0, 60.0
"""Seconds before a stream is asked for again: at least, where the server says nothing, at most."""

_ID = re.compile(rb"(?:\A|[\r\n])id: ?([^\r\n]*)")
_RETRY = re.compile(rb"(?:\A|[\r\n])retry: ?(\d{1,9})[\r\n]")


class Error(msgspec.Struct):
    """Why a request was not served."""

    code: int
    message: str = ""


class Message(msgspec.Struct):
    """A message of JSON-RPC: a response without a method, a notification without an id, or a request with both."""

    id: str | int | None = None
    method: str | None = None
    params: JSON = None
    result: JSON = None
    error: Error | None = None


_decoder = msgspec.json.Decoder(Message)


class Place:
    """How far a stream has been read, so that its rest can be asked for."""

    def __init__(self) -> None:
        self.last_id = ""
        self._retry = USUAL_PAUSE
        self._left = RESUMPTIONS

    @property
    def resumable(self) -> bool:
        """Whether the server marks its events, and asking for the next ones may lead anywhere."""
        return bool(self.last_id) and self._left > 0

    def pause(self) -> float:
        """Seconds to wait before asking again, which counts as one attempt."""
        self._left -= 1
        return min(max(self._retry, SHORTEST_PAUSE), LONGEST_PAUSE)

    def passed(self, event: Event) -> None:
        """Notes an event that has been read."""
        if found := _ID.search(event.raw):
            self.last_id = found[1].decode("ascii", "replace")
            self._left = RESUMPTIONS
        if found := _RETRY.search(event.raw):
            self._retry = int(found[1]) / 1000


def is_events(response: httpx2.Response) -> bool:
    """Whether a stream of events came."""
    kind: str = response.headers.get("content-type", "")
    return response.status_code == 200 and kind.lower().startswith("text/event-stream")


def whole(body: bytes) -> Message:
    """The one message of a body. Raises ValueError where it is no response."""
    message = _decoder.decode(body)
    if message.method is not None:
        raise ValueError("it is no JSON-RPC response")
    return _judged(message)


async def messages(response: httpx2.Response, place: Place) -> AsyncIterator[Message]:
    """The messages of a stream as they come. Raises ValueError for what is none, and what httpx2 raises."""
    decoder = Decoder(limit=http.MAX_MESSAGE_BYTES)
    try:
        async for chunk in response.aiter_raw():
            for event in decoder.feed(chunk):
                if event.data and event.name in (b"", b"message"):
                    message = _decoder.decode(event.data)
                    yield message if message.method else _judged(message)
                place.passed(event)
    except UpstreamError:
        raise ValueError(f"it exceeds the limit of {http.MAX_MESSAGE_BYTES} bytes") from None


def _judged(message: Message) -> Message:
    if message.error is None and not isinstance(message.result, dict):
        raise ValueError("it is no JSON-RPC response")
    return message
