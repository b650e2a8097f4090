"""The client's chat-completions body, and what we change of it: tools, messages, tool-choice, usage, n."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from aibridge.dialects.chat_completions.round import ChatRound
from aibridge.dialects.check import expect, objects, wrong
from aibridge.dialects.request import Request
from aibridge.errors import ClientError
from aibridge.model import JSON, InjectedTool, ToolCall, ToolResult


class ChatRequest(Request[ChatRound]):
    """https://platform.openai.com/docs/api-reference/chat/create"""

    no_tools = "none"

    def __init__(self, body: bytes, tools: Sequence[InjectedTool], max_tools: int) -> None:
        super().__init__(body, tools, max_tools)
        options = self._body.get("stream_options") or {}
        self.wants_usage = bool(options.get("include_usage"))
        if self.injected and self._body.get("n") not in (None, 1):
            self._body["n"] = 1  # a conversation that goes on has one thread
        if self.streaming and not self.wants_usage:
            self._body["stream_options"] = {**options, "include_usage": True}
            self._changed = True

    @property
    def prompt(self) -> str | None:
        """The last message if it is the user's: its string, or its last text part."""
        last = self._body["messages"][-1]
        if last["role"] != "user":
            return None
        content = last.get("content")
        if isinstance(content, str):
            return content
        texts = [part["text"] for part in content or () if isinstance(part.get("text"), str)]
        return texts[-1] if texts else None

    @property
    def correlating_tool_call_id(self) -> str | None:
        last = self._body["messages"][-1]
        call_id = last.get("tool_call_id") if last["role"] == "tool" else None
        return call_id if isinstance(call_id, str) else None

    def append(self, round_: ChatRound, answered: Sequence[tuple[ToolCall, ToolResult]]) -> None:
        results = [{"role": "tool", "tool_call_id": call.id, "content": result.text} for call, result in answered]
        self._body["messages"] = [*self._body["messages"], round_.replay(), *results]
        self._relax()

    def _may_inject(self) -> bool:
        return not self._body.get("functions")  # the legacy form, which can't stand beside `tools`

    def _name(self, tool: dict[str, Any]) -> str:
        """The name of a client tool, wherever its type keeps it; without the padding that is ignored in calls too."""
        places = [place for place in (*tool.values(), tool) if isinstance(place, dict)]
        names = [place["name"].strip() for place in places if isinstance(place.get("name"), str)]
        return names[0] if names else ""

    def _place(self, ours: list[msgspec.Raw], declared: list[dict[str, Any]]) -> list[JSON]:
        return [*declared, *ours]

    @classmethod
    def render(cls, tool: InjectedTool) -> dict[str, JSON]:
        parameters = msgspec.Raw(tool.schema)
        function = {"name": tool.name, "description": tool.description, "parameters": parameters, "strict": False}
        return {"type": "function", "function": function}

    def _relaxed(self, choice: JSON) -> JSON:
        if not isinstance(choice, dict):
            return "auto" if choice == "required" else choice
        allowed = choice.get("allowed_tools")
        return {**choice, "allowed_tools": {**allowed, "mode": "auto"}} if isinstance(allowed, dict) else "auto"

    def _validate(self, body: dict[str, Any]) -> None:
        expect(body, "model", str, "a string such as 'gpt-4o'", required=True)
        if "messages" not in body and "input" in body:
            raise ClientError(
                "'messages' is missing, and 'input' belongs to the Responses API: send this body to …/v1/responses, "
                "or send 'messages'.",
                param="messages",
            )
        expect(body, "messages", list, "an array of messages", required=True)
        if not body["messages"]:
            raise ClientError("'messages' must hold at least one message.", param="messages")
        for number, message in enumerate(objects("messages", body["messages"])):
            _validate_message(f"messages[{number}]", message)
        expect(body, "stream_options", dict, "an object")
        expect(body, "n", int, "a number")


def _validate_message(path: str, message: dict[str, Any]) -> None:
    if not isinstance(message.get("role"), str):
        raise wrong(f"{path}.role", "a string such as 'user'", message.get("role"))
    content = message.get("content")
    if isinstance(content, list):
        objects(f"{path}.content", content)
    elif content is not None and not isinstance(content, str):
        raise wrong(f"{path}.content", "a string or an array of parts", content)
