"""Messages as a stream: each event goes on at once, but for calls that are ours and for the stop."""

from __future__ import annotations

from typing import Any

from aibridge.dialects.closing import closing
from aibridge.dialects.codec import decode, encode
from aibridge.dialects.literals import parted, piece_of
from aibridge.dialects.messages.plain import DELTA, MEMBERS, RUN, together
from aibridge.dialects.messages.round import Block, MessagesRound
from aibridge.dialects.refusal import message_in
from aibridge.errors import UpstreamError, classify
from aibridge.model import JSON
from aibridge.sse import Decoder, Event, is_lone
from aibridge.sse import encode as encode_event


class MessagesStream:
    """https://docs.anthropic.com/en/docs/build-with-claude/streaming"""

    error: UpstreamError | None = None

    def __init__(self, id: str, *, injecting: bool) -> None:  # noqa: A002  the field's name
        self._id = id
        self._injecting = injecting
        self._begun = False  # the client has its message_start
        self._next = 0  # the index of the next block that the client is shown

    def start(self, round_: MessagesRound) -> None:
        self._round = round_
        self._decoder = Decoder()
        self._blocks: dict[int | None, Block] = {}  # by the provider's index
        self._shown: dict[int | None, int] = {}  # the client's index, by the provider's
        self._open: dict[bytes, Block] = {}  # those that are shown under their own index
        self._tail: list[bytes] = []  # the stop and what follows it
        self._stop: tuple[int, dict[str, Any]] | None = None  # its last message_delta, and where that stands
        self.done = False
        self._flowing = False  # nothing is held that plain deltas would have to wait for

    @property
    def complete(self) -> bool:
        return self.done or self.error is not None

    def flow(self, data: bytes) -> bytes | None:
        """Absorbs plain deltas of a block that the client is shown under its own index."""
        if not self._flowing:
            return None
        one = DELTA.fullmatch(data)
        if one is None:
            return self._flow_together(data)
        index, kind, literal = one.group(2, 3, 4)
        block, text = self._open.get(index), piece_of(literal)
        if block is None or text is None:
            return None
        block.grow(MEMBERS[kind], text)
        return data

    def _flow_together(self, data: bytes) -> bytes | None:
        plain = together(data)
        block = None if plain is None else self._open.get(b"%d" % plain.block)
        if plain is None or block is None:
            return None
        block.grow(plain.member, plain.text)
        return data

    def receive(self, data: bytes) -> bytes:
        return self._read(data) if is_lone(data) else b"".join(map(self._part, parted(data, RUN)))

    def _part(self, data: bytes) -> bytes:
        plain = self.flow(data)
        return self._read(data) if plain is None else plain

    def _read(self, data: bytes) -> bytes:
        relayed = b"".join(map(self._relayed, self._decoder.feed(data)))
        self._flowing = self._decoder.idle and not (self._stop or self.complete)
        return relayed

    def end(self) -> bytes:
        return b"".join(map(self._relayed, closing(self._decoder)))

    def hide(self) -> bytes:
        return b""

    def finish(self, usage: JSON, rounds: int) -> bytes:
        """The stop, with the usage of the turn."""
        if self._stop is not None and rounds > 1 and usage:
            place, value = self._stop
            self._tail[place] = encode_event(encode({**value, "usage": usage}), b"message_delta")
        return b"".join(self._tail)

    def _relayed(self, event: Event) -> bytes:
        """What goes on at once: all up to the stop, unless nothing could come to stand before it."""
        if self.error:
            return b""
        relayed = self._event(event)
        if self._injecting and (self._stop or self.done) and not self.error:
            self._tail.append(relayed)
            return b""
        return relayed

    def _event(self, event: Event) -> bytes:
        value = decode(event.data) if event.data else None
        if event.name == b"error":
            return self._provider_error(event)
        if not isinstance(value, dict):
            return event.raw
        match value.get("type"):
            case "content_block_delta":
                return self._block_delta(event, value)
            case "content_block_start":
                return self._block_start(event, value)
            case "content_block_stop":
                return self._renumbered(event, value, _index(value))
            case "message_start":
                return self._message_start(value)
            case "message_delta":
                self._message_delta(value)
            case "message_stop":
                self.done = True
            case "error":
                return self._provider_error(event)
        return event.raw

    def _message_start(self, value: dict[str, Any]) -> bytes:
        message = value["message"] if isinstance(value.get("message"), dict) else {}
        self._round.begin(message)
        if self._begun:
            return b""
        self._begun = True
        return encode_event(encode({**value, "message": {**message, "id": self._id}}), b"message_start")

    def _block_start(self, event: Event, value: dict[str, Any]) -> bytes:
        start, index = value.get("content_block"), _index(value)
        self._blocks[index] = block = self._round.add(start if isinstance(start, dict) else {})
        if not block.ours:
            self._shown[index], self._next = self._next, self._next + 1
        if index is not None:  # and some start the same one twice
            self._open.pop(b"%d" % index, None)
            if self._shown.get(index) == index:
                self._open[b"%d" % index] = block
        return self._renumbered(event, value, index)

    def _block_delta(self, event: Event, value: dict[str, Any]) -> bytes:
        delta, index = value.get("delta"), _index(value)
        block = self._blocks.get(index)
        if block is not None and isinstance(delta, dict):
            block.absorb(delta)
        return self._renumbered(event, value, index)

    def _renumbered(self, event: Event, value: dict[str, Any], index: int | None) -> bytes:
        """The event under the index that the client counts; its own bytes where that is the same."""
        if index not in self._shown:
            return b"" if index in self._blocks else event.raw
        shown = self._shown[index]
        return event.raw if shown == index else encode_event(encode({**value, "index": shown}), event.name)

    def _message_delta(self, value: dict[str, Any]) -> None:
        delta = value.get("delta")
        self._round.stop({**(delta if isinstance(delta, dict) else {}), "usage": value.get("usage")})
        self._stop = len(self._tail), value

    def _provider_error(self, event: Event) -> bytes:
        text = event.data.decode(errors="replace")
        message = message_in(event.data) or text or "the provider answered with an error"
        self.error = UpstreamError(message, type=classify(None, text))
        return event.raw if event.name else encode_event(event.data, b"error")


def _index(value: dict[str, Any]) -> int | None:
    index = value.get("index")
    return index if isinstance(index, int) else None
