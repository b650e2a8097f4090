"""The client's messages body, and what we change of it: tools, messages, tool-choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from aibridge.dialects.check import expect, objects, wrong
from aibridge.dialects.codec import as_object
from aibridge.dialects.messages.round import MessagesRound
from aibridge.dialects.request import Request
from aibridge.model import JSON, Image, InjectedTool, Text, ToolCall, ToolResult

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""What the provider takes as a picture: https://docs.anthropic.com/en/docs/build-with-claude/vision"""


class MessagesRequest(Request[MessagesRound]):
    """https://docs.anthropic.com/en/api/messages"""

    no_tools = {"type": "none"}  # noqa: RUF012  a constant

    @property
    def prompt(self) -> str | None:
        """The last message if it is the user's: its string, or its last text block."""
        last = self._body["messages"][-1]
        if last["role"] != "user":
            return None
        content = last["content"]
        if isinstance(content, str):
            return content
        texts = [block["text"] for block in content if isinstance(block.get("text"), str)]
        return texts[-1] if texts else None

    @property
    def correlating_tool_call_id(self) -> str | None:
        """The call that the last message answers; the last one of several."""
        content = self._body["messages"][-1]["content"]
        blocks = content if isinstance(content, list) else []
        ids = [block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"]
        return ids[-1] if ids and isinstance(ids[-1], str) else None

    @property
    def session_id(self) -> str | None:
        """Claude Code's session, which it keeps in metadata.user_id: in JSON, in older versions behind a word."""
        metadata = self._body.get("metadata")
        user_id = metadata.get("user_id") if isinstance(metadata, dict) else None
        if not isinstance(user_id, str):
            return None
        told = as_object(user_id) or {}
        session = told.get("session_id") or user_id.partition("_session_")[2]
        return session if isinstance(session, str) and session else None

    def append(self, round_: MessagesRound, answered: Sequence[tuple[ToolCall, ToolResult]]) -> None:
        """Adds the assistant's blocks as they were, thinking included, and one user message with all the results."""
        results = [_tool_result(call, result) for call, result in answered]
        self._body["messages"] = [
            *self._body["messages"],
            {"role": "assistant", "content": round_.replay()},
            {"role": "user", "content": results},
        ]
        self._relax()

    def _validate(self, body: dict[str, Any]) -> None:
        expect(body, "model", str, "a string such as 'claude-sonnet-4-5'", required=True)
        expect(body, "messages", list, "an array of messages", required=True)
        if not body["messages"]:
            raise wrong("messages", "an array of at least one message", body["messages"])
        for number, message in enumerate(objects("messages", body["messages"])):
            _validate_message(f"messages[{number}]", message)

    def _name(self, tool: dict[str, Any]) -> str | None:
        name = tool.get("name")
        return name if isinstance(name, str) else None

    def _place(self, ours: list[msgspec.Raw], declared: list[dict[str, Any]]) -> list[JSON]:
        return [*ours, *declared]  # the client's cache breakpoints keep their places

    @classmethod
    def render(cls, tool: InjectedTool) -> dict[str, JSON]:
        return {"name": tool.name, "description": tool.description, "input_schema": msgspec.Raw(tool.schema)}

    def _relaxed(self, choice: JSON) -> JSON:
        if not isinstance(choice, dict) or choice.get("type") not in ("any", "tool"):
            return choice
        return {"type": "auto", **{key: value for key, value in choice.items() if key not in ("type", "name")}}


def _tool_result(call: ToolCall, result: ToolResult) -> dict[str, JSON]:
    block = {"type": "tool_result", "tool_use_id": call.id, "content": [_block(part) for part in result.parts]}
    return block if result.error is None else {**block, "is_error": True}


def _block(part: Text | Image) -> dict[str, JSON]:
    if isinstance(part, Image) and part.media_type in _IMAGES:
        source = {"type": "base64", "media_type": part.media_type, "data": part.data}
        return {"type": "image", "source": source}
    return {"type": "text", "text": part.text}


def _validate_message(path: str, message: dict[str, Any]) -> None:
    if not isinstance(message.get("role"), str):
        raise wrong(f"{path}.role", "a string such as 'user'", message.get("role"))
    content = message.get("content")
    if isinstance(content, list):
        objects(f"{path}.content", content)
    elif not isinstance(content, str):
        raise wrong(f"{path}.content", "a string or an array of blocks", content)
