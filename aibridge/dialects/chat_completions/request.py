"""The client's chat-completions body, and what we change of it: tools, messages, tool-choice, usage, n."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from aibridge.dialects.chain import Chain
from aibridge.dialects.chat_completions import history
from aibridge.dialects.chat_completions.round import ChatRound
from aibridge.dialects.check import expect
from aibridge.dialects.conversation import Conversation, Message, check_messages
from aibridge.errors import ClientError
from aibridge.model import JSON, InjectedTool, RecallKey


class ChatRequest(Conversation[ChatRound]):
    """https://platform.openai.com/docs/api-reference/chat/create"""

    no_tools = "none"

    def __init__(self, body: bytes, tools: Sequence[InjectedTool], max_tools: int) -> None:
        super().__init__(body, tools, max_tools)
        self._hidden = history.HiddenMessages()
        options = self._body.get("stream_options") or {}
        self.wants_usage = bool(options.get("include_usage"))
        if self.injected and self._body.get("n") not in (None, 1):
            self._body["n"] = 1  # a conversation that goes on has one thread
        if self.streaming and not self.wants_usage:
            self._body["stream_options"] = {**options, "include_usage": True}
            self._changed = True

    @property
    def correlating_tool_call_id(self) -> str | None:
        last = self._body["messages"][-1]
        call_id = last.get("tool_call_id") if last["role"] == "tool" else None
        return call_id if isinstance(call_id, str) else None

    def _places(self, chain: Chain, messages: Sequence[Message]) -> Iterator[tuple[int, RecallKey]]:
        return history.places(chain, messages)

    def _restored(self, messages: Sequence[Message], turns: Mapping[int, JSON]) -> list[Message]:
        return history.restored(messages, turns)

    def _may_inject(self) -> bool:
        return not self._body.get("functions")  # the legacy form, which can't stand beside `tools`

    def _name(self, tool: dict[str, Any]) -> str:
        """The name of a client tool, wherever its type keeps it; without the padding that is ignored in calls too."""
        places = [place for place in (*tool.values(), tool) if isinstance(place, dict)]
        names = [place["name"].strip(" ") for place in places if isinstance(place.get("name"), str)]
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
        if "messages" not in body and "input" in body:
            raise ClientError(
                "'messages' is missing, and 'input' belongs to the Responses API: send this body to …/v1/responses, "
                "or send 'messages'.",
                param="messages",
            )
        check_messages(body, model="gpt-4o", content="parts", may_be_null=True)
        expect(body, "stream_options", dict, "an object")
        expect(body, "n", int, "a number")
