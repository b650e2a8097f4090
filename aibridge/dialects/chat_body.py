"""Chat completions as one body: kept until the turn is over, then sent as if there had been one round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from aibridge.dialects.chat_round import Round
from aibridge.dialects.codec import decode, encode
from aibridge.errors import UpstreamError, classify
from aibridge.model import JSON, Relay

MAX_BODY_BYTES = 64 * 1024 * 1024
"""What one answer may hold before it is given up."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ChatBody:
    """https://platform.openai.com/docs/api-reference/chat/object"""

    error: UpstreamError | None = None  # the provider's own, in a body that claims success

    def __init__(self, id: str) -> None:  # noqa: A002  the field's name
        self._id = id
        self._said: list[str] = []  # in the rounds before

    def start(self, round_: Round) -> None:
        """Makes ready for the next round."""
        self._round = round_
        self._body = bytearray()
        self._completion: dict[str, Any] = {}

    def receive(self, data: bytes) -> Iterator[Relay]:
        """Keeps it."""
        self._body += data
        if len(self._body) > MAX_BODY_BYTES:
            raise UpstreamError(f"the provider sent an answer of more than {MAX_BODY_BYTES} bytes")
        return iter(())

    def end(self) -> Iterator[Relay]:
        """Reads the completion. Raises UpstreamError where it is none."""
        completion = decode(bytes(self._body))
        if not isinstance(completion, dict) or not (completion.get("choices") or completion.get("error")):
            raise UpstreamError("the provider's answer is no chat completion: it has no 'choices'")
        self._completion = completion
        if not completion.get("choices"):
            message = str(completion["error"])
            self.error = UpstreamError(message, type=classify(None, message))
        self._read(completion)
        return iter(())

    def hide(self) -> Iterator[Relay]:
        """The round stays hidden, but for its words."""
        self._said.append(self._round.text_so_far)
        return iter(())

    def finish(self, usage: JSON, rounds: int) -> Iterator[Relay]:
        """The one completion that the client sees."""
        if self.error:
            yield Relay(bytes(self._body))
        elif rounds == 1 and not any(call.ours for call in self._round.calls):
            yield Relay(self._with_id())
        else:
            yield Relay(encode(self._merged(usage)))

    def _merged(self, usage: JSON) -> dict[str, JSON]:
        message = self._completion["choices"][0]["message"]
        if any(self._said):
            message["content"] = "".join(self._said) + (message.get("content") or "")
        pieces = zip(message.pop("tool_calls", None) or (), self._round.calls, strict=True)
        if shown := [piece for piece, call in pieces if not call.ours]:
            message["tool_calls"] = shown
        return {**self._completion, "id": self._id, **({} if usage is None else {"usage": usage})}

    def _read(self, completion: dict[str, Any]) -> None:
        self._round.response_id = completion["id"] if isinstance(completion.get("id"), str) else None
        self._round.usage = completion.get("usage")
        for number, choice in enumerate(completion.get("choices") or ()):
            message = choice.get("message") if isinstance(choice, dict) else None
            if isinstance(message, dict):
                self._round.finish = choice.get("finish_reason")
                self._read_message(number, message)

    def _read_message(self, number: int, message: dict[str, Any]) -> None:
        if isinstance(message.get("content"), str):
            self._round.text.append(message["content"])
        calls = message.get("tool_calls")
        if isinstance(calls, list):
            message["tool_calls"] = [piece for piece in calls if isinstance(piece, dict)]
            for position, piece in enumerate(message["tool_calls"]):
                self._round.decide(self._round.call(number, {**piece, "index": position}), whole=True)

    def _with_id(self) -> bytes:
        """The completion with our id; every other member keeps its own bytes."""
        try:
            return encode({**_members(self._body), "id": self._id})
        except msgspec.DecodeError:  # it took the lenient decoder to read
            return encode({**self._completion, "id": self._id})
