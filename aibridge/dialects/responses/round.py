"""One round of Responses as it is put together: output items, status, usage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aibridge.dialects.codec import as_object, count, encode, text_or_none
from aibridge.dialects.literals import Piece, spoken
from aibridge.dialects.refusal import message_in
from aibridge.errors import UpstreamError, classify
from aibridge.model import JSON, InjectedTool, ThoughtRecord, TokenUsage, ToolCall

_TEXTS = {"function_call": "arguments", "custom_tool_call": "input"}
"""The calls of declared tools, and the member that has their text."""

_BY_THE_CLIENT = frozenset(
    {"apply_patch_call", "computer_call", "local_shell_call", "mcp_approval_request", "shell_call"}
)
"""Calls of the provider's own tools that wait for the client to act."""

_WHAT_WAS_ASKED = ("action", "arguments", "code", "name", "operation", "queries", "server_label")
"""The members of a provider tool's call that say what it was called for."""


class ResponsesRound:
    """What one upstream response has said so far."""

    def __init__(self, tools: Mapping[str, InjectedTool]) -> None:
        self._tools = tools
        self.items: dict[int, dict[str, Any]] = {}  # by output index
        self._pieces: dict[int, list[Piece]] = {}  # the deltas of items that are not done
        self.response_id: str | None = None
        self.model: str | None = None
        self.status: JSON = None
        self.error: UpstreamError | None = None  # why the provider failed, if it did
        self.usage: JSON = None
        self.ended = False

    @property
    def cut_off(self) -> bool:
        return self.status in ("incomplete", "failed", "cancelled")

    def begin(self, response: Mapping[str, Any]) -> None:
        """Takes the response object that a stream starts with."""
        if isinstance(response.get("id"), str):
            self.response_id = response["id"]
            self.model = text_or_none(response.get("model"))

    def end(self, response: Mapping[str, Any]) -> None:
        """Takes the response object that a stream ends with, or a whole one."""
        self.begin(response)
        self.status = response.get("status")
        self.usage = response.get("usage")
        output = response.get("output")
        if isinstance(output, list) and len(output) >= len(self.items):  # some don't repeat it here
            self.items = {index: item for index, item in enumerate(output) if isinstance(item, dict)}
        else:
            self.items = {index: self._grown(index, item) for index, item in self.items.items()}
        self._pieces = {}
        if self.status == "failed" or response.get("error"):
            self.error = provider_error({"error": response.get("error")})

    def put(self, index: int, item: dict[str, Any]) -> list[Piece]:
        """Takes an item, as it begins or when it is done; where the pieces go that it grows by."""
        pieces: list[Piece] = []
        self.items[index], self._pieces[index] = item, pieces
        return pieces

    def absorb(self, index: int, piece: Piece) -> None:
        """Takes a piece of an item."""
        if index in self._pieces:
            self._pieces[index].append(piece)

    def is_ours(self, item: Mapping[str, Any]) -> bool:
        """Whether an item is a call of an injected tool; a name within a namespace is another name."""
        plain = item.get("type") == "function_call" and not item.get("namespace")
        return plain and str(item.get("name")) in self._tools

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
        return [self._call(self._grown(index, item)) for index, item in self.items.items() if _is_call(item)]

    def _grown(self, index: int, item: dict[str, Any]) -> dict[str, Any]:
        """A call that is not done, with what has come of its text."""
        member, pieces = _TEXTS.get(str(item.get("type"))), self._pieces.get(index)
        return {**item, member: spoken(pieces)} if member and pieces else item

    def _call(self, item: Mapping[str, Any]) -> ToolCall:
        kind, name = str(item["type"]), str(item.get("name") or "")
        waits = kind in _TEXTS or kind in _BY_THE_CLIENT or item.get("execution") == "client"
        ids = (item.get("call_id"), item.get("id")) if waits else (item.get("id"), item.get("call_id"))
        if kind in _TEXTS:
            told = item.get(_TEXTS[kind]) or ""
            text = told if isinstance(told, str) else encode(told).decode()
            value = as_object(text) if kind == "function_call" else None
        else:
            value = {key: item[key] for key in _WHAT_WAS_ASKED if key in item}
            name, text = kind, encode(value).decode()
        tool = self._tools[name] if self.is_ours(item) else None
        return ToolCall(str(ids[0] or ids[1] or ""), name, text, value, tool, self.response_id, hosted=not waits)

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
            said += sum(len(spoken(pieces)) for pieces in self._pieces.values())
            if not (said or self.ended):  # it did not answer, so it charged nothing
                return TokenUsage(self.response_id, 0, 0, extra={"partial": True}, model=self.model)
            return TokenUsage(
                self.response_id, request_bytes // 4, said // 4, extra={"estimated": True}, model=self.model
            )
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
            model=self.model,
        )


def provider_error(body: JSON) -> UpstreamError:
    """The provider's own failure, in its words."""
    data = encode(body)
    return UpstreamError(message_in(data) or "the provider failed to answer", type=classify(None, data.decode()))


def _is_call(item: Mapping[str, Any]) -> bool:
    kind = str(item.get("type"))
    return kind.endswith("_call") or kind in _BY_THE_CLIENT


def _detail(usage: Mapping[str, JSON], details: str, key: str) -> JSON:
    found = usage.get(details)
    return found.get(key) if isinstance(found, dict) else None


def _texts(parts: JSON) -> list[str]:
    """The non-empty texts of a summary or a content."""
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return [text for text in texts if isinstance(text, str) and text]
