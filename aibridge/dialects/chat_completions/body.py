"""Chat completions as one body: the words of all rounds, and of the calls the client's."""

from __future__ import annotations

from typing import Any

from aibridge.dialects.body import Body
from aibridge.dialects.chat_completions.round import ChatRound, choices_of
from aibridge.dialects.codec import text_or_none
from aibridge.errors import UpstreamError
from aibridge.model import JSON


class ChatBody(Body[ChatRound]):
    """https://platform.openai.com/docs/api-reference/chat/object"""

    def __init__(self, id: str) -> None:  # noqa: A002  the field's name
        self._id = id
        self._said: list[str] = []  # in the rounds before

    def hide(self) -> bytes:
        """The round stays hidden, but for its words."""
        self._said.append(self._round.text_so_far)
        return b""

    def _is_error(self, answer: dict[str, Any]) -> bool:
        return bool(answer.get("error")) and not choices_of(answer)

    def _read(self, answer: dict[str, Any]) -> None:
        choices = choices_of(answer)
        if not choices:
            raise UpstreamError("the provider's answer is no chat completion: it has no 'choices'")
        self._round.response_id = text_or_none(answer.get("id"))
        self._round.model = text_or_none(answer.get("model"))
        self._round.usage = answer.get("usage")
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

    def _changed(self, usage: JSON, rounds: int) -> JSON:
        if rounds == 1 and not any(call.ours for call in self._round.made):
            return None
        choice = choices_of(self._answer)[0]
        if said := "".join(self._said):
            message = choice["message"] if isinstance(choice.get("message"), dict) else {"role": "assistant"}
            choice["message"] = {**message, "content": _preceded(said, message.get("content"))}
        return {**self._answer, "id": self._id, **({} if usage is None else {"usage": usage})}

    def _unchanged(self) -> bytes:
        return self._with_id(self._id)


def _preceded(said: str, content: JSON) -> JSON:
    """A message's content, behind the words of the rounds before."""
    if isinstance(content, list):
        return [{"type": "text", "text": said}, *content]
    return said + content if isinstance(content, str) else said
