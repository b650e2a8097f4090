"""The one response object that the client sees over all rounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from aibridge.dialects.responses.round import ResponsesRound
from aibridge.model import JSON

_OF_THE_FIRST = ("id", "created_at", "tool_choice", "previous_response_id")
"""The members that the first round settles, for they speak of the client's own request."""


class ResponseObject:
    """Keeps what the rounds so far have settled."""

    def __init__(self, injected: Collection[str]) -> None:
        self._injected = injected
        self._first: dict[str, JSON] = {}
        self._opening: dict[str, Any] = {"object": "response", "output": []}
        self._shown: list[dict[str, Any]] = []  # the items of the rounds before

    def hide(self, round_: ResponsesRound) -> None:
        """The round is one of several: its calls of ours disappear."""
        self._shown += round_.visible()

    def edited(self, response: dict[str, Any]) -> dict[str, Any]:
        """A response object without our tools, under the id that the client knows."""
        self._first = self._first or {key: response[key] for key in _OF_THE_FIRST if key in response}
        edited = {**response, **self._first}
        if isinstance(response.get("tools"), list):
            edited["tools"] = [tool for tool in response["tools"] if not self._is_ours(tool)]
        self._opening = edited
        return edited

    def failed(self, code: str, message: str) -> dict[str, Any]:
        """The response object of a turn that could not be finished."""
        return {**self._opening, "status": "failed", "error": {"code": code, "message": message}}

    def whole(self, response: dict[str, Any], round_: ResponsesRound, usage: JSON = None) -> dict[str, Any]:
        """The last response object: with all that the client has seen, and what all of it cost where that is told."""
        whole = self.edited(response)
        visible = round_.visible()
        if "output" in response and (self._shown or len(visible) < len(round_.items)):
            whole["output"] = [*self._shown, *visible]
        if usage is not None:
            whole["usage"] = usage
        return whole

    def _is_ours(self, tool: JSON) -> bool:
        return isinstance(tool, Mapping) and tool.get("type") == "function" and tool.get("name") in self._injected
