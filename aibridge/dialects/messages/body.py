"""Messages as one body: kept until the turn is over, then sent as if there had been one round."""

from __future__ import annotations

from typing import Any

from aibridge.dialects.body import Body
from aibridge.dialects.messages.round import MessagesRound
from aibridge.errors import UpstreamError
from aibridge.model import JSON


class MessagesBody(Body[MessagesRound]):
    """https://docs.anthropic.com/en/api/messages"""

    def __init__(self, id: str) -> None:  # noqa: A002  the field's name
        self._id = id
        self._shown: list[dict[str, JSON]] = []  # the blocks of the rounds before

    def _is_error(self, answer: dict[str, Any]) -> bool:
        return answer.get("type") == "error"

    def _read(self, answer: dict[str, Any]) -> None:
        content = answer.get("content")
        if not isinstance(content, list):
            raise UpstreamError("the provider's answer is no message: it has no 'content'")
        self._round.begin(answer)
        for block in content:
            if isinstance(block, dict):
                self._round.add(block)

    def hide(self) -> bytes:
        self._shown += self._round.visible()
        return b""

    def _changed(self, usage: JSON, rounds: int) -> JSON:
        visible = [*self._shown, *self._round.visible()]
        if rounds == 1 and len(visible) == len(self._round.blocks):
            return None
        told = {"usage": usage} if usage else {}
        return {**self._answer, "id": self._id, "content": visible, **told}

    def _unchanged(self) -> bytes:
        return self._with_id(self._id)
