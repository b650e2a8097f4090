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
        texts = [part.get("text") for part in parts if part.get("type") == "input_text"]
        said = [text for text in texts if isinstance(text, str)]
        return "\n".join(said) if said else None

    @property
    def correlating_tool_call_id(self) -> str | None:
        """The call that the last item answers."""
        given = self._body.get("input")
        last = given[-1] if isinstance(given, list) and given else {}
        call_id = last.get("call_id") if str(last.get("type")).endswith("_output") else None
        return call_id if isinstance(call_id, str) else None

    def append(self, round_: ResponsesRound, answered: Sequence[tuple[ToolCall, ToolResult]]) -> None:
        """Adds the round's items as they were and the results behind them; a conversation has the items already."""
        items, results = self._hidden.add(round_, answered, stored=self._stored)
        self._body["input"] = results if self._conversation else [*self._items(), *items, *results]
        self._relax()

    def set_aside(self, answered: Sequence[tuple[ToolCall, ToolResult]]) -> None:
        self._hidden.set_aside(answered)

    def lookups(self) -> list[RecallKey]:
        """Those of the answers in the input, if any tool is offered, and that of the response that it follows."""
        items = self._items()
        self._follows = self._followed(items)
        if self.injected:
            self._chain = Chain()
            self._chain.add("follows", self._previous or self._conversation)
            self._runs = list(history.places(self._chain, items))
        return [*(key for _, key in self._runs), *([self._follows] if self._follows else [])]

    def restore(self, turns: Sequence[HiddenTurn]) -> int:
        found = {key: turn for turn in turns for key in turn.keys}
        known = {run: decode(found[key].content) for run, key in self._runs if key in found}
        if known:
            self._body["input"] = history.restored(self._items(), known)
        followed = found.get(self._follows) if self._follows else None
        if followed is not None:
            self._follow(followed)
        return len(known) + (followed is not None)

    def hidden(self, last: ResponsesRound) -> HiddenTurn | None:
        """Under the digest of the conversation, and under whatever else the client may name the turn by."""
        turn = self._hidden.turn(last, stored=self._stored)
        if turn is None or self._chain is None:
            return None
        keys = self._hidden.keys(self._chain, last)
        if self._stored and (known_as := self._hidden.client_id(last)):
            keys.append(history.response_key(known_as))
        if self._conversation and (waiting := self._hidden.waiting(last)):
            keys.append(history.conversation_key(self._conversation, waiting))
        return HiddenTurn(tuple(keys), encode(turn)) if keys else None

    def _followed(self, items: Sequence[dict[str, Any]]) -> RecallKey | None:
        """The key of the response that the input follows, where it is named."""
        if self._previous:
            return history.response_key(self._previous)
        answered = history.answers_in(items) if self._conversation else []
        return history.conversation_key(self._conversation, answered) if answered else None

    def _follow(self, turn: HiddenTurn) -> None:
        """Adds the results that the response waits for, and names it as the provider does."""
        followed, known_as = decode(turn.content), history.stored_id(turn)
        self._changed = True
        if followed["results"]:
            self._body["input"] = history.merged(followed, self._items())
        if self._previous and known_as:
            self._body["previous_response_id"] = known_as

    @property
    def _stored(self) -> bool:
        """Whether the provider keeps the response."""
        return self._body.get("store") is not False

    @property
    def _previous(self) -> str:
        """The response that the input follows; "" for none."""
        given = self._body.get("previous_response_id")
        return given if isinstance(given, str) else ""

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
