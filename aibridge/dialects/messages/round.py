"""One round of messages as it is put together: content blocks, stop reason, usage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from aibridge.dialects.codec import as_object, count, encode, text_or_none
from aibridge.dialects.literals import Piece, spoken
from aibridge.model import JSON, InjectedTool, ThoughtRecord, TokenUsage, ToolCall

_CUT_OFF = frozenset({"max_tokens", "refusal", "model_context_window_exceeded"})
_GROWING = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""The members that deltas add to, by the type of the delta."""

_FIXED = frozenset({"type", "id", "name"})
"""What a block is stays as its start has it: by that it was decided whose call it is."""


class Block:
    """A content block as its deltas come in."""

    def __init__(self, start: dict[str, Any], *, ours: bool) -> None:
        self.content = dict(start)
        self.ours = ours  # a call of an injected tool
        self._pieces: defaultdict[str, list[Piece]] = defaultdict(list)

    @property
    def type(self) -> JSON:
        return self.content.get("type")

    def absorb(self, delta: Mapping[str, Any]) -> None:
        """Takes one delta."""
        kind = str(delta.get("type"))
        if kind in _GROWING:
            self.grow(_GROWING[kind], str(delta.get(_GROWING[kind]) or ""))
        elif kind == "citations_delta":
            self.content["citations"] = [*(self.content.get("citations") or ()), delta.get("citation")]
        else:  # a signature, or whatever else comes in one piece
            self.content.update({key: value for key, value in delta.items() if key not in _FIXED})

    def grow(self, member: str, piece: Piece) -> None:
        """Adds to a member that comes in pieces."""
        self._pieces[member].append(piece)

    def whole(self) -> dict[str, JSON]:
        """The block as the provider would have sent it whole."""
        grown: dict[str, JSON] = {
            member: str(self.content.get(member) or "") + spoken(pieces)
            for member, pieces in self._pieces.items()
            if member != "partial_json"
        }
        if "partial_json" in self._pieces or self.ours:  # the provider takes back nothing but an object
            grown["input"] = as_object(self.text) or {}
        return {**self.content, **grown}

    @property
    def text(self) -> str:
        """A call's arguments so far, as they were sent."""
        given = spoken(self._pieces.get("partial_json", ())) or self.content.get("input", {})
        return given if isinstance(given, str) else encode(given).decode()


class MessagesRound:
    """What one upstream response has said so far."""

    def __init__(self, tools: Mapping[str, InjectedTool]) -> None:
        self._tools = tools
        self.blocks: list[Block] = []
        self.response_id: str | None = None
        self.model: str | None = None
        self.stop_reason: str | None = None
        self.usage: dict[str, JSON] = {}
        self.ended = False

    @property
    def cut_off(self) -> bool:
        return self.stop_reason in _CUT_OFF

    def begin(self, message: Mapping[str, Any]) -> None:
        """Takes the message that a stream starts with, or a whole one, without its content."""
        self.response_id = text_or_none(message.get("id"))
        self.model = text_or_none(message.get("model"))
        self.stop(message)

    def stop(self, delta: Mapping[str, Any]) -> None:
        """Takes a stop reason and a usage, whose numbers are cumulative: the last one of each counts."""
        stop_reason, usage = delta.get("stop_reason"), delta.get("usage")
        if isinstance(stop_reason, str):
            self.stop_reason = stop_reason
        if isinstance(usage, dict):
            self.usage.update({key: value for key, value in usage.items() if value is not None})

    def add(self, start: dict[str, Any]) -> Block:
        """A new content block."""
        block = Block(start, ours=start.get("type") == "tool_use" and str(start.get("name")) in self._tools)
        self.blocks.append(block)
        return block

    def visible(self) -> list[dict[str, JSON]]:
        """The blocks that the client may see."""
        return [block.whole() for block in self.blocks if not block.ours]

    def replay(self) -> list[dict[str, JSON]]:
        """The blocks as the provider wants them back: all of them, in order; it refuses only blank text."""
        wholes = [block.whole() for block in self.blocks]
        return [whole for whole in wholes if whole.get("type") != "text" or str(whole.get("text") or "").strip()]

    def calls(self) -> list[ToolCall]:
        return [self._call(block) for block in self.blocks if str(block.type).endswith("tool_use")]

    def _call(self, block: Block) -> ToolCall:
        name = str(block.content.get("name") or "")
        return ToolCall(
            id=str(block.content.get("id") or ""),
            name=name,
            text=block.text,
            input=as_object(block.text),
            tool=self._tools[name] if block.ours else None,
            response_id=self.response_id,
            hosted=block.type != "tool_use",
        )

    def thoughts(self) -> Iterator[ThoughtRecord]:
        for block in self.blocks:
            if block.type == "thinking" and (thinking := block.whole().get("thinking")):
                yield ThoughtRecord(str(thinking), "thinking")

    def token_usage(self, request_bytes: int) -> TokenUsage:
        if not self.usage:
            said = sum(len(encode(block.whole())) for block in self.blocks)
            if not (said or self.ended):  # it did not answer, so it charged nothing
                return TokenUsage(self.response_id, 0, 0, extra={"partial": True}, model=self.model)
            return TokenUsage(
                self.response_id, request_bytes // 4, said // 4, extra={"estimated": True}, model=self.model
            )
        return TokenUsage(
            self.response_id,
            count(self.usage.get("input_tokens")),
            count(self.usage.get("output_tokens")),
            cache_read=count(self.usage.get("cache_read_input_tokens")),
            cache_write=count(self.usage.get("cache_creation_input_tokens")),
            extra=_extra_tokens(self.usage) | ({} if self.ended else {"partial": True}),
            model=self.model,
        )


def _extra_tokens(usage: Mapping[str, JSON]) -> dict[str, JSON]:
    created, tools = usage.get("cache_creation"), usage.get("server_tool_use")
    named = {
        "cache_ephemeral_5m_input": created.get("ephemeral_5m_input_tokens") if isinstance(created, dict) else None,
        "cache_ephemeral_1h_input": created.get("ephemeral_1h_input_tokens") if isinstance(created, dict) else None,
        "web_search_requests": tools.get("web_search_requests") if isinstance(tools, dict) else None,
    }
    return {name: count(value) for name, value in named.items() if value is not None}
