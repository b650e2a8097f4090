"""Chat completions as one body: kept until the turn is over, then sent as if there had been one round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from aibridge.dialects.chat_round import Round, choices_of
from aibridge.dialects.codec import decode, encode
from aibridge.dialects.refusal import message_in
from aibridge.errors import UpstreamError, classify
from aibridge.model import JSON, Relay

MAX_BODY_BYTES = 64 * 1024 * 1024
"""What one answer may hold before it is given up."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ChatBody:
    """https://platform.openai.com/docs/api-reference/chat/object"""

    error: UpstreamError | None = None  # the provider's own, in a body that claims success
    done = False  # a body is whole when it ends, and not before

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
        if not isinstance(completion, dict):
            raise UpstreamError("the provider's answer is no chat completion: it is no JSON object")
        self._completion = completion
        if choices := choices_of(completion):
            self._read(completion, choices)
        elif completion.get("error"):
            message = message_in(bytes(self._body)) or "the provider answered with an error"
            self.error = UpstreamError(message, type=classify(None, message + str(completion["error"])))
        else:
            raise UpstreamError("the provider's answer is no chat completion: it has no 'choices'")
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
        choice = choices_of(self._completion)[0]
        if said := "".join(self._said):
            message = choice["message"] if isinstance(choice.get("message"), dict) else {"role": "assistant"}
            choice["message"] = {**message, "content": _preceded(said, message.get("content"))}
        return {**self._completion, "id": self._id, **({} if usage is None else {"usage": usage})}

    def _read(self, completion: dict[str, Any], choices: list[dict[str, Any]]) -> None:
        self._round.response_id = completion["id"] if isinstance(completion.get("id"), str) else None
        self._round.usage = completion.get("usage")
        for number, choice in enumerate(choices):
            self._round.finish = choice.get("finish_reason")
            if isinstance(choice.get("message"), dict):
                self._read_message(number, choice["message"])

    def _read_message(self, number: int, message: dict[str, Any]) -> None:
        """Reads one message and takes out what the client must not see."""
        if isinstance(message.get("content"), str):
            self._round.text.append(message["content"])
        calls = message.get("tool_calls")
        if not isinstance(calls, list):
            return
        shown = [piece for position, piece in enumerate(calls) if not self._is_ours(number, position, piece)]
        if len(shown) < len(calls):
            message.pop("function_call", None)  # some servers repeat a call in the legacy form
            message["tool_calls"] = shown
            if not shown:
                del message["tool_calls"]

    def _is_ours(self, number: int, position: int, piece: JSON) -> bool:
        if not isinstance(piece, dict):
            return False
        call = self._round.call(number, {**piece, "index": position})
        self._round.decide(call, whole=True)
        return bool(call.ours)

    def _with_id(self) -> bytes:
        """The completion with our id; every other member keeps its own bytes."""
        try:
            return encode({**_members(self._body), "id": self._id})
        except (msgspec.DecodeError, UnicodeDecodeError):  # it took the lenient decoder to read
            return encode({**self._completion, "id": self._id})


def _preceded(said: str, content: JSON) -> JSON:
    """A message's content, behind the words of the rounds before."""
    if isinstance(content, list):
        return [{"type": "text", "text": said}, *content]
    return said + content if isinstance(content, str) else said
