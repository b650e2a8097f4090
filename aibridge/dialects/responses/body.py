"""Responses as one body: kept until the turn is over, then sent as if there had been one round."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aibridge.dialects.body import Body
from aibridge.dialects.responses.object import ResponseObject
from aibridge.dialects.responses.round import ResponsesRound
from aibridge.errors import UpstreamError
from aibridge.model import JSON


class ResponsesBody(Body[ResponsesRound]):
    """https://platform.openai.com/docs/api-reference/responses/object"""

    def __init__(self, injected: Collection[str]) -> None:
        self._injecting = bool(injected)
        self._object = ResponseObject(injected)

    def hide(self) -> bytes:
        self._object.edited(self._answer)
        self._object.hide(self._round)
        return b""

    def _is_error(self, answer: dict[str, Any]) -> bool:
        return bool(answer.get("error")) and not isinstance(answer.get("output"), list)

    def _read(self, answer: dict[str, Any]) -> None:
        if not isinstance(answer.get("output"), list):
            raise UpstreamError("the provider's answer is no response: it has no 'output'")
        self._round.end(answer)
        self.error = self._round.error

    def _changed(self, usage: JSON, rounds: int) -> JSON:
        if not self._injecting:
            return None
        return self._object.whole(self._answer, self._round, usage)

    def _unchanged(self) -> bytes:
        return bytes(self._body)
