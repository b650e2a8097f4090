"""Responses as a stream: one lifecycle over all rounds; each event goes on at once, but for calls that are ours."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aibridge.dialects.closing import closing
from aibridge.dialects.codec import decode, encode
from aibridge.dialects.literals import Piece, parted, piece_of
from aibridge.dialects.responses.object import ResponseObject
from aibridge.dialects.responses.plain import DELTA, RUN, together
from aibridge.dialects.responses.round import ResponsesRound, provider_error
from aibridge.errors import AibridgeError, UpstreamError
from aibridge.model import JSON
from aibridge.sse import Decoder, Event, is_lone
from aibridge.sse import encode as encode_event

_BEGINNINGS = frozenset({"response.created", "response.in_progress", "response.queued"})
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


class ResponsesStream:
    """https://platform.openai.com/docs/api-reference/responses-streaming"""

    error: UpstreamError | None = None

    def __init__(self, injected: Collection[str]) -> None:
        self._injecting = bool(injected)
        self._object = ResponseObject(injected)
        self._sequence: int | None = None  # the number of the next event that the client sees
        self._begun = False  # the client has its beginnings
        self._next = 0  # the index of the next item that the client is shown

    def start(self, round_: ResponsesRound) -> None:
        self._round = round_
        self._decoder = Decoder()
        self._shown: dict[int, int] = {}  # the client's index, by the provider's
        self._open: dict[bytes, list[Piece]] = {}  # where the text of an item goes that is shown under its own index
        self._end: tuple[Event, dict[str, Any]] | None = None
        self._tail: list[bytes] = []  # what follows the end
        self._rest = bytearray()  # of an event that is not whole yet, where nothing is injected
        self.done = False
        self._flowing = False  # nothing is held that plain deltas would have to wait for

    @property
    def complete(self) -> bool:
        return self.done or self.error is not None

    def flow(self, data: bytes) -> bytes | None:
        """Absorbs plain deltas of an item that the client is shown, if they need no other numbers."""
        if not self._flowing:
            return None
        one = DELTA.fullmatch(data)
        if one is None:
            return self._flow_together(data)
        number, index, literal = one.group(3, 4, 5)
        pieces, text, first = self._open.get(index), piece_of(literal), int(number)
        if pieces is None or text is None or self._sequence not in (None, first):
            return None
        self._sequence = first + 1
        pieces.append(text)
        return data

    def _flow_together(self, data: bytes) -> bytes | None:
        plain = together(data)
        pieces = None if plain is None else self._open.get(b"%d" % plain.item)
        if plain is None or pieces is None or self._sequence not in (None, plain.first):
            return None
        self._sequence = plain.first + plain.size
        pieces.append(plain.text)
        return data

    def receive(self, data: bytes) -> bytes:
        """Where nothing is injected the bytes go on as they are, and are only read."""
        return self._read(data) if is_lone(data) else b"".join(map(self._part, parted(data, RUN)))

    def _part(self, data: bytes) -> bytes:
        plain = self.flow(data)
        return self._read(data) if plain is None else plain

    def _read(self, data: bytes) -> bytes:
        relayed, size = [], 0
        for event in self._decoder.feed(data):
            size += len(event.raw)
            relayed.append(self._event(event))
        self._flowing = self._decoder.idle and not self.complete
        return b"".join(relayed) if self._injecting else self._own_bytes(data, size)

    def end(self) -> bytes:
        relayed = b"".join(map(self._event, closing(self._decoder)))
        if self._injecting:
            return relayed
        return bytes(self._rest) if self.complete else b""

    def hide(self) -> bytes:
        self._object.hide(self._round)
        self._begun = True
        return b""

    def finish(self, usage: JSON, rounds: int) -> bytes:
        """The terminal event, with the response object that all rounds have come to."""
        if self._end is None or not self._injecting:
            return b""
        event, value = self._end
        whole = self._object.whole(_response(value), self._round, usage)
        return b"".join((self._with_response(event, value, whole), *self._tail))

    def failure(self, error: AibridgeError) -> bytes:
        """The two events by which clients know that a response has failed: some read the one, some the other."""
        code, number = error.code or error.type, self._sequence or 0
        told = {"type": "error", "code": code, "message": error.message, "param": None, "sequence_number": number}
        response = self._object.failed(code, error.message)
        failed = {"type": "response.failed", "response": response, "sequence_number": number + 1}
        return encode_event(encode(told), b"error") + encode_event(encode(failed), b"response.failed")

    def _own_bytes(self, data: bytes, size: int) -> bytes:
        """The bytes of whole events: half of one must not stand before an error of ours."""
        if not self._rest and size == len(data):
            return data
        self._rest += data
        whole = bytes(self._rest[:size])
        del self._rest[:size]
        return whole

    def _event(self, event: Event) -> bytes:
        if self.done:
            self._tail.append(event.raw)
            return b""
        value = decode(event.data) if event.data else None
        if not isinstance(value, dict):
            return b"" if self.error else event.raw
        kind = str(value.get("type"))
        if self.error:  # all that may still follow it is the response that failed
            return self._ending(event, value) if kind in _ENDS else b""
        if isinstance(value.get("output_index"), int):
            return self._output(event, value)
        if kind in _ENDS:
            return self._ending(event, value)
        if kind in _BEGINNINGS:
            return self._beginning(event, value)
        if kind == "error" or ("type" not in value and value.get("error")):
            self.error = provider_error(value)
        return self._numbered(event, value)

    def _beginning(self, event: Event, value: dict[str, Any]) -> bytes:
        response = _response(value)
        self._round.begin(response)
        return b"" if self._begun else self._with_response(event, value, self._object.edited(response))

    def _ending(self, event: Event, value: dict[str, Any]) -> bytes:
        response = _response(value)
        self._round.end(response)
        self.done = True
        if value["type"] == "response.failed" or self._round.error:
            self.error = self.error or self._round.error or provider_error({"error": response.get("error")})
            return self._with_response(event, value, self._object.whole(response, self._round))
        self._end = event, value
        return b""

    def _output(self, event: Event, value: dict[str, Any]) -> bytes:
        """An event of one output item."""
        index, item = value["output_index"], value.get("item")
        if isinstance(item, dict):
            pieces = self._round.put(index, item)
            if index not in self._shown and not self._round.is_ours(item):
                self._shown[index], self._next = self._next, self._next + 1
            if self._shown.get(index) == index:
                self._open[b"%d" % index] = pieces
        elif isinstance(value.get("delta"), str):
            self._round.absorb(index, value["delta"])
        if index not in self._shown:
            return b"" if index in self._round.items else self._numbered(event, value)
        shown = self._shown[index]
        return self._numbered(event, value if shown == index else {**value, "output_index": shown}, shown != index)

    def _with_response(self, event: Event, value: dict[str, Any], response: dict[str, Any]) -> bytes:
        return self._numbered(event, {**value, "response": response}, response != value.get("response"))

    def _numbered(self, event: Event, value: dict[str, Any], edited: bool = False) -> bytes:
        """The event under the number that comes next for the client; its own bytes where nothing changes."""
        number = value.get("sequence_number")
        if isinstance(number, int):
            self._sequence = number if self._sequence is None else self._sequence
            if number != self._sequence:
                value, edited = {**value, "sequence_number": self._sequence}, True
            self._sequence += 1
        return encode_event(encode(value), event.name) if edited else event.raw


def _response(value: dict[str, Any]) -> dict[str, Any]:
    response = value.get("response")
    return response if isinstance(response, dict) else {}
