"""Responses as a stream: one lifecycle over all rounds; each event goes on at once, but for calls that are ours."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aibridge.dialects.codec import decode, encode
from aibridge.dialects.refusal import message_in
from aibridge.dialects.responses.object import ResponseObject
from aibridge.dialects.responses.round import ResponsesRound
from aibridge.errors import AibridgeError, UpstreamError, classify
from aibridge.model import JSON
from aibridge.sse import Decoder, Event
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
        self._shown: dict[JSON, int] = {}  # the client's index, by the provider's
        self._end: tuple[Event, dict[str, Any]] | None = None
        self.done = False

    @property
    def complete(self) -> bool:
        return self.done or self.error is not None

    def receive(self, data: bytes) -> bytes:
        """Where nothing is injected the bytes go on as they are, and are only read."""
        relayed = b"".join(map(self._event, self._decoder.feed(data)))
        return relayed if self._injecting else data

    def end(self) -> bytes:
        relayed = b"".join(map(self._event, self._decoder.flush()))
        return relayed if self._injecting else b""

    def hide(self) -> bytes:
        self._object.hide(self._round)
        self._begun = True
        return b""

    def finish(self, usage: JSON, rounds: int) -> bytes:
        """The terminal event, with the response object that all rounds have come to."""
        if self._end is None or not self._injecting:
            return b""
        event, value = self._end
        return self._with_response(event, value, self._whole(value, usage, rounds))

    def failure(self, error: AibridgeError) -> bytes:
        """The two events by which clients know that a response has failed: some read the one, some the other."""
        code, number = error.code or error.type, self._sequence or 0
        told = {"type": "error", "code": code, "message": error.message, "param": None, "sequence_number": number}
        response = self._object.failed(code, error.message)
        failed = {"type": "response.failed", "response": response, "sequence_number": number + 1}
        return encode_event(encode(told), b"error") + encode_event(encode(failed), b"response.failed")

    def _whole(self, value: dict[str, Any], usage: JSON, rounds: int) -> dict[str, Any]:
        return self._object.whole(_response(value), self._round, usage, rounds)

    def _event(self, event: Event) -> bytes:
        value = decode(event.data) if event.data and not self.error else None
        if self.error:
            return b""
        if not isinstance(value, dict):
            return event.raw
        kind = value.get("type")
        if kind in _BEGINNINGS:
            return self._beginning(event, value)
        if kind in _ENDS:
            return self._ending(event, value)
        if kind == "error":
            self._fail(event.data, str(value))
            return self._numbered(event, value)
        if "output_index" in value:
            return self._output(event, value)
        return self._numbered(event, value)

    def _beginning(self, event: Event, value: dict[str, Any]) -> bytes:
        response = _response(value)
        self._round.begin(response)
        return b"" if self._begun else self._with_response(event, value, self._object.edited(response))

    def _ending(self, event: Event, value: dict[str, Any]) -> bytes:
        response = _response(value)
        self._round.end(response)
        self.done = True
        if value["type"] == "response.failed":
            self._fail(encode(response), str(response.get("error")))
            return self._with_response(event, value, self._object.edited(response))
        self._end = event, value
        return b""

    def _fail(self, body: bytes, signal: str) -> None:
        message = message_in(body) or "the provider failed to answer"
        self.error = UpstreamError(message, type=classify(None, message + signal))

    def _output(self, event: Event, value: dict[str, Any]) -> bytes:
        """An event of one output item."""
        index, items = value["output_index"], self._round.items
        item = value.get("item")
        if isinstance(item, dict):
            items[index] = item
            if index not in self._shown and not self._round.is_ours(item):
                self._shown[index], self._next = self._next, self._next + 1
        elif value.get("type") == "response.function_call_arguments.delta" and index in items:
            items[index]["arguments"] = str(items[index].get("arguments") or "") + str(value.get("delta") or "")
        if index not in self._shown:
            return b"" if index in items else self._numbered(event, value)
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
