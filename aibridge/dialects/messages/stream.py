"""Messages as a stream: each event goes on at once, but for calls that are ours and for the stop."""

from __future__ import annotations

from typing import Any

from aibridge.dialects.codec import decode, encode
from aibridge.dialects.messages.round import Block, MessagesRound
from aibridge.dialects.refusal import message_in
from aibridge.errors import UpstreamError, classify
from aibridge.model import JSON
from aibridge.sse import Decoder, Event
from aibridge.sse import encode as encode_event


class MessagesStream:
    """https://docs.anthropic.com/en/docs/build-with-claude/streaming"""

    error: UpstreamError | None = None

    def __init__(self, id: str) -> None:  # noqa: A002  the field's name
        self._id = id
        self._begun = False  # the client has its message_start
        self._next = 0  # the index of the next block that the client is shown

    def start(self, round_: MessagesRound) -> None:
        self._round = round_
        self._decoder = Decoder()
        self._blocks: dict[JSON, Block] = {}  # by the provider's index
        self._shown: dict[JSON, int] = {}  # the client's index, by the provider's
        self._stop: dict[str, Any] | None = None
        self._last = b""  # the provider's message_delta, while it need not change
        self.done = False

    @property
    def complete(self) -> bool:
        return self.done or self.error is not None

    def receive(self, data: bytes) -> bytes:
        return b"".join(map(self._event, self._decoder.feed(data)))

    def end(self) -> bytes:
        return b"".join(map(self._event, self._decoder.flush()))

    def hide(self) -> bytes:
        return b""

    def finish(self, usage: JSON, rounds: int) -> bytes:
        """The stop with the usage of the turn, and the end."""
        stop = self._last
        if self._stop is not None and rounds > 1:
            stop = encode_event(encode({**self._stop, "usage": usage}), b"message_delta")
        return stop + encode_event(b'{"type":"message_stop"}', b"message_stop")

    def _event(self, event: Event) -> bytes:
        value = decode(event.data) if event.data and not self.error else None
        if self.error or not isinstance(value, dict):
            return b"" if self.error else event.raw
        match value.get("type"):
            case "content_block_delta":
                return self._block_delta(event, value)
            case "content_block_start":
                return self._block_start(event, value)
            case "content_block_stop":
                return self._renumbered(event, value)
            case "message_start":
                return self._message_start(value)
            case "message_delta":
                return self._message_delta(event, value)
            case "message_stop":
                self.done = True
                return b""
            case "error":
                return self._provider_error(event, value)
            case _:
                return event.raw

    def _message_start(self, value: dict[str, Any]) -> bytes:
        message = value["message"] if isinstance(value.get("message"), dict) else {}
        self._round.begin(message)
        if self._begun:
            return b""
        self._begun = True
        return encode_event(encode({**value, "message": {**message, "id": self._id}}), b"message_start")

    def _block_start(self, event: Event, value: dict[str, Any]) -> bytes:
        start = value.get("content_block")
        block = self._round.add(start if isinstance(start, dict) else {})
        index = value.get("index")
        self._blocks[index] = block
        if not block.ours:
            self._shown[index], self._next = self._next, self._next + 1
        return self._renumbered(event, value)

    def _block_delta(self, event: Event, value: dict[str, Any]) -> bytes:
        block, delta = self._blocks.get(value.get("index")), value.get("delta")
        if block is not None and isinstance(delta, dict):
            block.absorb(delta)
        return self._renumbered(event, value)

    def _renumbered(self, event: Event, value: dict[str, Any]) -> bytes:
        """The event under the index that the client counts; its own bytes where that is the same."""
        index = value.get("index")
        if index not in self._shown:
            return b"" if index in self._blocks else event.raw
        shown = self._shown[index]
        return event.raw if shown == index else encode_event(encode({**value, "index": shown}), event.name)

    def _message_delta(self, event: Event, value: dict[str, Any]) -> bytes:
        delta = value.get("delta")
        self._round.stop({**(delta if isinstance(delta, dict) else {}), "usage": value.get("usage")})
        self._stop, self._last = value, event.raw
        return b""

    def _provider_error(self, event: Event, value: dict[str, Any]) -> bytes:
        message = message_in(event.data) or "the provider answered with an error"
        self.error = UpstreamError(message, type=classify(None, message + str(value.get("error"))))
        return encode_event(event.data, event.name or b"error")
