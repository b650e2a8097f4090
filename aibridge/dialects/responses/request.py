"""The client's Responses body, and what we change of it: tools, input, tool-choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from aibridge.dialects.check import expect, objects, wrong
from aibridge.dialects.request import Request
from aibridge.dialects.responses.round import ResponsesRound
from aibridge.errors import Unsupported
from aibridge.model import JSON, InjectedTool, ToolCall, ToolResult


class ResponsesRequest(Request[ResponsesRound]):
    """https://platform.openai.com/docs/api-reference/responses/create"""

    no_tools = "none"

    @property
    def prompt(self) -> str | None:
        """The input if it is a string, or its last item if that is the user's: its text parts, a line each."""
        given = self._body.get("input")
        if isinstance(given, str):
            return given
        last = given[-1] if given else {}
        if last.get("role") != "user":
            return None
        content = last.get("content")
        if isinstance(content, str):
            return content
        parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
        texts = [part["text"] for part in parts if part.get("type") == "input_text" and isinstance(part["text"], str)]
        return "\n".join(texts) if texts else None

    @property
    def correlating_tool_call_id(self) -> str | None:
        """The call that the last item answers."""
        given = self._body.get("input")
        last = given[-1] if isinstance(given, list) and given else {}
        call_id = last.get("call_id") if str(last.get("type")).endswith("_output") else None
        return call_id if isinstance(call_id, str) else None

    def append(self, round_: ResponsesRound, answered: Sequence[tuple[ToolCall, ToolResult]]) -> None:
        """Adds the round's items as they were and the results behind them; a conversation has the items already."""
        outputs = [
            {"type": "function_call_output", "call_id": call.id, "output": result.text} for call, result in answered
        ]
        if self._body.get("conversation"):
            self._body["input"] = outputs
        else:
            stored = self._body.get("store") is not False
            self._body["input"] = [*self._items(), *round_.replay(stored=stored), *outputs]
        self._relax()

    def _items(self) -> list[JSON]:
        given = self._body.get("input")
        return [{"role": "user", "content": given}] if isinstance(given, str) else list(given or ())

    def _validate(self, body: dict[str, Any]) -> None:
        if body.get("background") is True:
            raise Unsupported("'background' responses are not served: nobody would be there to run the tools.")
        expect(body, "model", str, "a string such as 'gpt-5'")
        given = body.get("input")
        if isinstance(given, list):
            objects("input", given)
        elif given is not None and not isinstance(given, str):
            raise wrong("input", "a string or an array of items", given)

    def _name(self, tool: dict[str, Any]) -> str | None:
        name = tool.get("name")
        return name if isinstance(name, str) else None

    def _place(self, ours: list[msgspec.Raw], declared: list[dict[str, Any]]) -> list[JSON]:
        return [*declared, *ours]

    @classmethod
    def render(cls, tool: InjectedTool) -> dict[str, JSON]:
        return {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": msgspec.Raw(tool.schema),
            "strict": False,
        }

    def _relaxed(self, choice: JSON) -> JSON:
        if isinstance(choice, dict):
            return {**choice, "mode": "auto"} if choice.get("type") == "allowed_tools" else "auto"
        return "auto" if choice == "required" else choice
