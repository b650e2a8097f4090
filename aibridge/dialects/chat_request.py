"""The client's chat-completions body, and what we change of it: tools, messages, tool-choice, usage, n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from aibridge.dialects.base import choose
from aibridge.dialects.codec import decode_request, encode, faithful, kind
from aibridge.errors import ClientError
from aibridge.model import JSON, InjectedTool, ToolCall, ToolResult


class ChatRequest:
    """https://platform.openai.com/docs/api-reference/chat/create"""

    def __init__(self, body: bytes, tools: Sequence[InjectedTool], max_tools: int) -> None:
        self._raw = body
        self._body = decode_request(body)
        _validate(self._body)
        declared: list[JSON] = self._body.get("tools") or []
        # The legacy `functions` can't stand beside `tools`, so such a request gets none of ours.
        room = 0 if self._body.get("functions") else max_tools - len(declared)
        taken = set(map(_declared_name, declared))
        self.injected = choose(tools, taken, room)
        self.left_out = len(tools) - len(self.injected) - len(taken.intersection(tool.name for tool in tools))
        self.model: str = self._body["model"]
        self.streaming: bool = bool(self._body.get("stream"))
        self.wants_usage = bool((self._body.get("stream_options") or {}).get("include_usage"))
        self._changed = self._change(declared)

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
        """The call that the last message answers."""
        last = self._body["messages"][-1]
        call_id = last.get("tool_call_id") if last["role"] == "tool" else None
        return call_id if isinstance(call_id, str) else None

    def append(self, text: str | None, calls: Sequence[tuple[ToolCall, JSON, ToolResult]]) -> None:
        """Adds what the client doesn't see: the assistant's calls as it sent them, and our results in their order."""
        message = {"role": "assistant", "content": text or None, "tool_calls": [sent for _, sent, _ in calls]}
        results = [{"role": "tool", "tool_call_id": call.id, "content": result.text} for call, _, result in calls]
        self._body["messages"] = [*self._body["messages"], message, *results]
        if "tool_choice" in self._body:
            self._body["tool_choice"] = _relaxed(self._body["tool_choice"])
        self._changed = True

    def encode(self, last: bool) -> bytes:
        """The body for the next round: the client's own bytes where nothing changes. Raises ClientError."""
        try:
            if last and self.injected:
                return encode({**self._body, "tool_choice": "none"})
            return encode(self._body) if self._changed else faithful(self._raw, self._body)
        except RecursionError:  # it could just be read, on a shallower stack
            raise ClientError("The request body is nested too deeply.") from None

    def _change(self, declared: list[JSON]) -> bool:
        changed = False
        if self.injected:
            self._body["tools"] = [*declared, *map(_render, self.injected.values())]
            if self._body.get("n") not in (None, 1):
                self._body["n"] = 1  # a conversation that goes on has one thread
            changed = True
        if self.streaming and not self.wants_usage:
            self._body["stream_options"] = {**(self._body.get("stream_options") or {}), "include_usage": True}
            changed = True
        return changed


@lru_cache(maxsize=4096)
def _render(tool: InjectedTool) -> msgspec.Raw:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": msgspec.Raw(tool.schema),
        "strict": False,
    }
    return msgspec.Raw(encode({"type": "function", "function": function}))


def _declared_name(tool: Mapping[str, Any]) -> str:
    """The name of a client tool, wherever its type keeps it; without the padding that is ignored in calls too."""
    places = [place for place in (*tool.values(), tool) if isinstance(place, dict)]
    names = [place["name"].strip() for place in places if isinstance(place.get("name"), str)]
    return names[0] if names else ""


def _relaxed(choice: JSON) -> JSON:
    """The tool-choice once a tool has been called: one that stays forced would loop for ever."""
    if not isinstance(choice, dict):
        return "auto" if choice == "required" else choice
    allowed = choice.get("allowed_tools")
    return {**choice, "allowed_tools": {**allowed, "mode": "auto"}} if isinstance(allowed, dict) else "auto"


def _validate(body: dict[str, Any]) -> None:
    _expect(body, "model", str, "a string such as 'gpt-4o'", required=True)
    if "messages" not in body and "input" in body:
        raise ClientError(
            "'messages' is missing, and 'input' belongs to the Responses API: send this body to …/v1/responses, "
            "or send 'messages'.",
            param="messages",
        )
    _expect(body, "messages", list, "an array of messages", required=True)
    if not body["messages"]:
        raise ClientError("'messages' must hold at least one message.", param="messages")
    for number, message in enumerate(body["messages"]):
        _validate_message(f"messages[{number}]", message)
    _expect(body, "stream", bool, "a boolean")
    _expect(body, "stream_options", dict, "an object")
    _expect(body, "n", int, "a number")
    _expect(body, "tools", list, "an array of tools")
    for number, tool in enumerate(body.get("tools") or ()):
        if not isinstance(tool, dict):
            raise _wrong(f"tools[{number}]", "an object", tool)


def _validate_message(path: str, message: JSON) -> None:
    if not isinstance(message, dict):
        raise _wrong(path, "an object", message)
    if not isinstance(message.get("role"), str):
        raise _wrong(f"{path}.role", "a string such as 'user'", message.get("role"))
    content = message.get("content")
    if content is not None and not isinstance(content, (str, list)):
        raise _wrong(f"{path}.content", "a string or an array of parts", content)
    if isinstance(content, list):
        for number, part in enumerate(content):
            if not isinstance(part, dict):
                raise _wrong(f"{path}.content[{number}]", "an object", part)


def _expect(body: dict[str, Any], key: str, type_: type, wanted: str, *, required: bool = False) -> None:
    value = body.get(key)
    if value is None and not required:
        return
    if not isinstance(value, type_) or (type_ is int and isinstance(value, bool)):
        raise _wrong(key, wanted, value)


def _wrong(path: str, wanted: str, value: JSON) -> ClientError:
    return ClientError(f"'{path}' must be {wanted}, not {kind(value)}.", param=path)
