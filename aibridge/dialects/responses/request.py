"""The client's Responses body, and what we change of it: tools, input, tool-choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from aibridge.dialects.chain import Chain
from aibridge.dialects.check import expect, objects, wrong
from aibridge.dialects.codec import decode, encode
from aibridge.dialects.request import Request
from aibridge.dialects.responses import history
from aibridge.dialects.responses.round import ResponsesRound
from aibridge.errors import Unsupported
from aibridge.model import JSON, HiddenTurn, InjectedTool, RecallKey, ToolCall, ToolResult


class ResponsesRequest(Request[ResponsesRound]):
    """https://platform.openai.com/docs/api-reference/responses/create"""

    no_tools = "none"

    def __init__(self, body: bytes, tools: Sequence[InjectedTool], max_tools: int) -> None:
        super().__init__(body, tools, max_tools)
        self._hidden = history.HiddenItems()
        self._chain: Chain | None = None  # over the client's items; None where nothing is to be remembered
        self._runs: list[tuple[history.Run, RecallKey]] = []
        self._follows: RecallKey | None = None  # the key of the response that the input follows, where it is named

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
        items, results = self._hidden.add(round_, answered, stored=self._body.get("store") is not False)
        self._body["input"] = results if self._conversation else [*self._items(), *items, *results]
        self._relax()

    def set_aside(self, answered: Sequence[tuple[ToolCall, ToolResult]]) -> None:
        self._hidden.set_aside(answered)

    def lookups(self) -> list[RecallKey]:
        if not self.injected:
            return []
        self._chain = Chain()
        items = self._items()
        self._runs = list(history.places(self._chain, items))
        previous = self._body.get("previous_response_id")
        if isinstance(previous, str):
            self._follows = history.response_key(previous)
        elif self._conversation:
            self._follows = history.conversation_key(self._conversation, history.answers_in(items))
        return [*(key for _, key in self._runs), *([self._follows] if self._follows else [])]

    def restore(self, turns: Sequence[HiddenTurn]) -> int:
        found = {key: turn for turn in turns for key in turn.keys}
        known = {run: decode(found[key].content) for run, key in self._runs if key in found}
        items = history.restored(self._items(), known)
        followed = found.get(self._follows) if self._follows else None
        if followed is not None:
            items = history.answered(decode(followed.content), items)
            if "previous_response_id" in self._body and self._body["previous_response_id"] is not None:
                self._body["previous_response_id"] = history.stored_id(followed)
        self._body["input"] = items
        return len(known) + (followed is not None)

    def hidden(self, last: ResponsesRound) -> HiddenTurn | None:
        """Under the digest of the conversation, and under whatever else the client may name the turn by."""
        turn = self._hidden.turn(last) if self._chain is not None else None
        if turn is None or self._chain is None:
            return None
        history.add_all(self._chain, history.visible(turn))
        keys = [self._chain.key(), history.response_key(self._hidden.client_id(last))]
        if self._conversation:
            waiting = [call.id for call in last.calls() if call.tool is None and not call.hosted]
            keys.append(history.conversation_key(self._conversation, waiting))
        return HiddenTurn(tuple(keys), encode(turn))

    @property
    def _conversation(self) -> str:
        """The id of the provider's conversation that this request goes on with; "" for none."""
        given = self._body.get("conversation")
        named = given.get("id") if isinstance(given, dict) else given
        return named if isinstance(named, str) else ""

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
