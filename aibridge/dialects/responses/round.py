"""One round of Responses as it is put together: output items, status, usage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aibridge.dialects.codec import as_object, count, encode
from aibridge.model import JSON, InjectedTool, ThoughtRecord, TokenUsage, ToolCall

_BY_THE_CLIENT = frozenset({"computer_call", "local_shell_call", "shell_call", "apply_patch_call"})
"""Calls of the provider's own tools that wait for the client to act."""

_WHAT_WAS_ASKED = ("action", "arguments", "code", "name", "operation", "queries", "server_label")
"""The members of a provider tool's call that say what it was called for."""


class ResponsesRound:
    """What one upstream response has said so far."""

    def __init__(self, tools: Mapping[str, InjectedTool]) -> None:
        self._tools = tools
        self.items: dict[JSON, dict[str, Any]] = {}  # by output index
        self.response_id: str | None = None
        self.status: JSON = None
        self.usage: JSON = None
        self.ended = False

    @property
    def cut_off(self) -> bool:
        return self.status in ("incomplete", "failed", "cancelled")

    def begin(self, response: Mapping[str, Any]) -> None:
        """Takes the response object that a stream starts with."""
        if isinstance(response.get("id"), str):
            self.response_id = response["id"]

    def end(self, response: Mapping[str, Any]) -> None:
        """Takes the response object that a stream ends with, or a whole one."""
        self.begin(response)
        self.status = response.get("status")
        self.usage = response.get("usage")
        output = response.get("output")
        if not self.items and isinstance(output, list):
            self.items = {index: item for index, item in enumerate(output) if isinstance(item, dict)}

    def is_ours(self, item: Mapping[str, Any]) -> bool:
        """Whether an item is a call of an injected tool; a name within a namespace is another name."""
        return item.get("type") == "function_call" and item.get("name") in self._tools and not item.get("namespace")

    def visible(self) -> list[dict[str, Any]]:
        """The items that the client may see, in their order."""
        return [item for item in self.items.values() if not self.is_ours(item)]

    def replay(self, *, stored: bool) -> list[dict[str, Any]]:
        """The items as the provider wants them back; what it did not store it knows by its encrypted content alone."""
        return [
            item
            for item in self.items.values()
            if stored or item.get("type") != "reasoning" or item.get("encrypted_content")
        ]

    def calls(self) -> list[ToolCall]:
        return [self._call(item) for item in self.items.values() if str(item.get("type")).endswith("_call")]

    def _call(self, item: Mapping[str, Any]) -> ToolCall:
        kind, name, text = str(item["type"]), str(item.get("name") or ""), ""
        value: dict[str, Any] | None = None
        call_id = str(item.get("call_id") or item.get("id") or "")
        if kind == "function_call":
            text = str(item.get("arguments") or "")
            value = as_object(text)
        elif kind == "custom_tool_call":
            text = str(item.get("input") or "")
        else:
            value = {key: item[key] for key in _WHAT_WAS_ASKED if key in item}
            name, text = kind, encode(value).decode()
            call_id = str(item.get("id") or call_id)
        hosted = kind not in _BY_THE_CLIENT | {"function_call", "custom_tool_call"}
        tool = self._tools[name] if self.is_ours(item) else None
        return ToolCall(call_id, name, text, value, tool, self.response_id, hosted)

    def thoughts(self) -> Iterator[ThoughtRecord]:
        for item in self.items.values():
            if item.get("type") == "reasoning":
                for text in _texts(item.get("summary")):
                    yield ThoughtRecord(text, "reasoning_summary")
            said = "".join(_texts(item.get("content"))) if item.get("phase") == "commentary" else ""
            if said:
                yield ThoughtRecord(said, "commentary")

    def token_usage(self, request_bytes: int) -> TokenUsage:
        if not isinstance(self.usage, dict):
            said = sum(len(encode(item)) for item in self.items.values())
            if not (said or self.ended):  # it did not answer, so it charged nothing
                return TokenUsage(self.response_id, 0, 0, extra={"partial": True})
            return TokenUsage(self.response_id, request_bytes // 4, said // 4, extra={"estimated": True})
        cached = _detail(self.usage, "input_tokens_details", "cached_tokens")
        named = {
            "output_reasoning": _detail(self.usage, "output_tokens_details", "reasoning_tokens"),
            "total_tokens": self.usage.get("total_tokens"),
        }
        return TokenUsage(
            self.response_id,
            max(0, count(self.usage.get("input_tokens")) - count(cached)),
            count(self.usage.get("output_tokens")),
            cache_read=count(cached),
            extra={name: count(value) for name, value in named.items() if value is not None},
        )


def _detail(usage: Mapping[str, JSON], details: str, key: str) -> JSON:
    found = usage.get(details)
    return found.get(key) if isinstance(found, dict) else None


def _texts(parts: JSON) -> list[str]:
    """The non-empty texts of a summary or a content."""
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return [text for text in texts if isinstance(text, str) and text]
