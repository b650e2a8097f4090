"""Chat completions as a stream: each chunk goes on at once, but for what is ours and for the finish."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from aibridge.dialects.chat_round import Call, Round
from aibridge.dialects.codec import decode, encode
from aibridge.errors import UpstreamError, classify
from aibridge.model import JSON, Relay
from aibridge.sse import Decoder, Event
from aibridge.sse import encode as encode_event

DONE = encode_event(b"[DONE]")

_ID_FIRST = re.compile(rb'\s*\{\s*"id"\s*:\s*"[^"\\]*"')


class ChatStream:
    """https://platform.openai.com/docs/api-reference/chat-streaming"""

    error: UpstreamError | None = None  # the provider's own, once it has been relayed

    def __init__(self, id: str, *, injecting: bool, wants_usage: bool) -> None:  # noqa: A002  the field's name
        self._id = id
        self._head = b'{"id":"%b"' % id.encode()
        self._injecting = injecting
        self._wants_usage = wants_usage
        self._introduced = False  # an earlier round has told the role already

    def start(self, round_: Round) -> None:
        """Makes ready for the next round."""
        self._round = round_
        self._decoder = Decoder()
        self._prefix = b"\0"  # how this round's chunks begin, up to the end of their id
        self._last: dict[str, Any] = {}  # the model for chunks of ours
        self._tail: list[dict[str, Any]] = []  # the finish and what follows it
        self._usage_chunk: tuple[bytes, dict[str, Any]] | None = None
        self._shown = 0  # calls of the client
        self._done = False

    def receive(self, data: bytes) -> Iterator[Relay]:
        """Yields what the client may see of it."""
        for event in self._decoder.feed(data):
            if relayed := self._event(event):
                yield Relay(relayed)

    def end(self) -> Iterator[Relay]:
        """Takes the round's end. Raises UpstreamError where the answer has none."""
        for event in self._decoder.flush():
            if relayed := self._event(event):
                yield Relay(relayed)
        if not (self._done or self._round.finish or self.error):
            raise UpstreamError("the provider closed the stream before the answer was complete")
        for call in self._round.calls:
            if call.ours is None:
                self._round.decide(call, whole=True)
                if call.held and not call.ours:
                    yield Relay(self._chunk_of({"tool_calls": [self._show(call, {})]}))

    def hide(self) -> Iterator[Relay]:
        """The round stays hidden: of what was withheld only words go on."""
        self._introduced = True
        for chunk in self._tail:
            for choice in _choices(chunk):
                choice["finish_reason"] = None
            if _says_something(chunk):
                yield Relay(self._encode(chunk))

    def finish(self, usage: JSON, rounds: int) -> Iterator[Relay]:
        """What was withheld, the turn's usage where the client asked for it, and the end."""
        for chunk in self._tail:
            yield Relay(self._encode(chunk))
        if self._usage_chunk and self._wants_usage:
            data, chunk = self._usage_chunk
            alone = not _choices(chunk)
            if alone and rounds == 1:
                yield Relay(encode_event(self._with_id(data, chunk)))
            else:
                yield Relay(self._encode({**chunk, "choices": [], "usage": usage}))
        yield Relay(DONE)

    def _event(self, event: Event) -> bytes:
        if self.error or event.data == b"[DONE]":
            self._done = True
            return b""
        chunk = decode(event.data) if event.data else None
        if not isinstance(chunk, dict):
            return event.raw  # a comment, or nothing that we or the client could act on
        if chunk.get("error") or event.name == b"error":
            return self._provider_error(event, chunk)
        return self._chunk(event.data, chunk)

    def _provider_error(self, event: Event, chunk: dict[str, Any]) -> bytes:
        error = chunk.get("error", chunk)
        message = str(error.get("message") if isinstance(error, dict) else error)
        self.error = UpstreamError(message, type=classify(None, message + str(error)))
        return event.raw if event.raw.endswith(b"\n\n") else encode_event(event.data, event.name)

    def _chunk(self, data: bytes, chunk: dict[str, Any]) -> bytes:
        self._last = chunk
        if self._round.response_id is None and isinstance(chunk.get("id"), str):
            self._round.response_id = chunk["id"]
        choices = _choices(chunk)
        edited = "usage" in chunk and self._usage(data, chunk, choices)
        if edited and not choices and self._usage_chunk:
            return b""
        sifted = [self._choice(choice) for choice in choices]
        if self._injecting and (self._tail or _finishes(choices)):
            self._tail.append(chunk)
            return b""
        if any(sifted):
            return self._encode(chunk) if _says_something(chunk) else b""
        return self._encode(chunk) if edited else encode_event(self._with_id(data, chunk))

    def _usage(self, data: bytes, chunk: dict[str, Any], choices: list[dict[str, Any]]) -> bool:
        """Notes the usage, for a chunk of its own at the end; whether it must not be relayed here."""
        reported = isinstance(chunk["usage"], dict)
        if reported:
            self._round.usage = chunk["usage"]
            self._usage_chunk = (data, dict(chunk))
        if not self._wants_usage:
            del chunk["usage"]  # it came because we asked
            return True
        if reported and _finishes(choices):
            chunk["usage"] = None
            return True
        return reported and not choices

    def _choice(self, choice: dict[str, Any]) -> bool:
        """Reads one choice and takes out what the client must not see; whether it changed."""
        delta = choice.get("delta")
        self._round.finish = choice.get("finish_reason") or self._round.finish
        if not isinstance(delta, dict):
            return False
        content = delta.get("content")
        if content and isinstance(content, str):
            self._round.text.append(content)
        changed = False
        if self._introduced and "role" in delta:
            del delta["role"]
            changed = True
        if isinstance(delta.get("tool_calls"), list):
            shown = [
                self._piece(choice.get("index"), piece) for piece in delta["tool_calls"] if isinstance(piece, dict)
            ]
            if self._injecting:
                delta["tool_calls"] = [piece for piece in shown if piece]
                changed = True
        if changed and not delta.get("tool_calls", True):
            del delta["tool_calls"]
        return changed

    def _piece(self, choice: JSON, piece: dict[str, Any]) -> dict[str, JSON] | None:
        """What the client may see of a piece of a call: nothing if the call is ours, or may yet turn out to be."""
        call = self._round.call(choice if isinstance(choice, int) else 0, piece)
        if call.ours is None:
            self._round.decide(call, whole=False)
        if call.ours is not False:
            call.held = True
            return None
        return {**piece, "index": call.index} if call.index is not None else self._show(call, piece)

    def _show(self, call: Call, piece: dict[str, JSON]) -> dict[str, JSON]:
        """The start of a client's call, with what of it was kept back, numbered as if there were no others."""
        call.index, self._shown = self._shown, self._shown + 1
        return {**(call.as_sent() if call.held else piece), "index": call.index}

    def _chunk_of(self, delta: dict[str, JSON]) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        return self._encode({**self._last, "choices": [choice]})

    def _encode(self, chunk: dict[str, Any]) -> bytes:
        return encode_event(encode({**chunk, "id": self._id}))

    def _with_id(self, data: bytes, chunk: dict[str, Any]) -> bytes:
        """The chunk with our id and otherwise its own bytes, where its id comes first as it does nearly everywhere."""
        if not data.startswith(self._prefix):
            first = _ID_FIRST.match(data)
            if first is None:
                return encode({**chunk, "id": self._id})
            self._prefix = first.group()
        return self._head + data[len(self._prefix) :]


def _choices(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    choices = chunk.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _finishes(choices: list[dict[str, Any]]) -> bool:
    return any(choice.get("finish_reason") for choice in choices)


def _says_something(chunk: dict[str, Any]) -> bool:
    """Whether a chunk that we changed still tells the client anything."""
    return any(
        value not in (None, "", [])
        for choice in _choices(chunk)
        if isinstance(choice.get("delta"), dict)
        for value in choice["delta"].values()
    )
