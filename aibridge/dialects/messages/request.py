"""The client's messages body, and what we change of it: tools, messages, tool-choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from aibridge.dialects.chain import Chain
from aibridge.dialects.codec import as_object
from aibridge.dialects.conversation import Conversation, Message, check_messages
from aibridge.dialects.messages import history
from aibridge.dialects.messages.round import MessagesRound
from aibridge.model import JSON, InjectedTool, RecallKey


class MessagesRequest(Conversation[MessagesRound]):
    """https://docs.anthropic.com/en/api/messages"""

    no_tools = {"type": "none"}  # noqa: RUF012  a constant

    def __init__(self, body: bytes, tools: Sequence[InjectedTool], max_tools: int) -> None:
        super().__init__(body, tools, max_tools)
        self._hidden = history.HiddenMessages()

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
        return session if isinstance(session, str) and session.strip() else None

    def _places(self, chain: Chain, messages: Sequence[Message]) -> Iterator[tuple[int, RecallKey]]:
        return history.places(chain, messages)

    def _restored(self, messages: Sequence[Message], turns: Mapping[int, JSON]) -> list[Message]:
        return history.restored(messages, turns)

    def _validate(self, body: dict[str, Any]) -> None:
        check_messages(body, model="claude-sonnet-4-5", content="blocks", may_be_null=False)

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
