"""The client's body and what is changed of it, as far as the dialects agree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from aibridge.dialects.check import expect, objects, refuse_control_characters
from aibridge.dialects.codec import decode_request, encode, faithful
from aibridge.errors import ClientError
from aibridge.model import JSON, HiddenTurn, InjectedTool, RecallKey, ToolCall, ToolResult

R = TypeVar("R")


class Request(ABC, Generic[R]):
    """A body that is the client's own bytes for as long as nothing in it must change."""

    no_tools: ClassVar[JSON]
    """The tool-choice under which the model must answer in words."""

    def __init__(self, body: bytes, tools: Sequence[InjectedTool], max_tools: int) -> None:
        """Decides what is injected: no tool that the client has declared, and no more than there is room for."""
        self._raw = body
        self._body = decode_request(body)
        expect(self._body, "stream", bool, "a boolean")
        self._validate(self._body)
        declared = _declared(self._body)
        taken = {name for tool in declared if (name := self._name(tool)) is not None}
        refuse_control_characters("model", (self.model,))
        refuse_control_characters("tools", taken)
        free = [tool for tool in tools if tool.name not in taken]
        room = max_tools - len(declared) if self._may_inject() else 0
        self.injected = {tool.name: tool for tool in free[: max(0, room)]}
        self.left_out = len(free) - len(self.injected)
        self.streaming = bool(self._body.get("stream"))
        self._changed = bool(self.injected)
        if self.injected:
            self._body["tools"] = self._place([self._rendered(tool) for tool in self.injected.values()], declared)

    @property
    def model(self) -> str:
        """The model asked for; "" where the provider is left to know it."""
        return str(self._body.get("model") or "")

    def encode(self, last: bool) -> bytes:
        """The body for the next round. last: the model must answer in words. Raises ClientError."""
        try:
            if self._changed:
                self._raw = b""  # it may be large, and the response long
            if last and self.injected:
                return encode({**self._body, "tool_choice": self.no_tools})
            return encode(self._body) if self._changed else faithful(self._raw, self._body)
        except RecursionError:  # it could just be read, on a shallower stack
            raise ClientError("The request body is nested too deeply.") from None

    @property
    @abstractmethod
    def prompt(self) -> str | None:
        """What the person asked: the last message, if it is the user's."""

    @property
    @abstractmethod
    def correlating_tool_call_id(self) -> str | None:
        """The id of the call that the last message answers."""

    @abstractmethod
    def append(self, round_: R, answered: Sequence[tuple[ToolCall, ToolResult]]) -> None:
        """Adds what the client doesn't see: the round as the provider sent it, and our results in their order."""

    @abstractmethod
    def set_aside(self, answered: Sequence[tuple[ToolCall, ToolResult]]) -> None:
        """Keeps the results of a mixed round for the client's next request."""

    @abstractmethod
    def lookups(self) -> list[RecallKey]:
        """The keys under which hidden turns of this conversation may be kept."""

    @abstractmethod
    def restore(self, turns: Sequence[HiddenTurn]) -> int:
        """Puts hidden turns back, where they belong; how many."""

    @abstractmethod
    def hidden(self, last: R) -> HiddenTurn | None:
        """What the client was not shown in this turn, whose last round this is; None unless lookups() were made."""

    def _relax(self) -> None:
        """Lets a forced tool-choice go once a tool has been called: one that stays forced would loop for ever."""
        if "tool_choice" in self._body:
            self._body["tool_choice"] = self._relaxed(self._body["tool_choice"])

    def _may_inject(self) -> bool:
        return True

    @classmethod
    def _rendered(cls, tool: InjectedTool) -> msgspec.Raw:
        return _rendered(cls, tool)

    @abstractmethod
    def _validate(self, body: dict[str, Any]) -> None:
        """Raises ClientError for what could not be worked with."""

    @abstractmethod
    def _name(self, tool: dict[str, Any]) -> str | None:
        """The name of a tool that the client declared."""

    @abstractmethod
    def _place(self, ours: list[msgspec.Raw], declared: list[dict[str, Any]]) -> list[JSON]:
        """All tools, ours in the same place on every request, or the provider's prompt cache is lost."""

    @classmethod
    @abstractmethod
    def render(cls, tool: InjectedTool) -> dict[str, JSON]:
        """A tool of ours in the dialect's form."""

    @abstractmethod
    def _relaxed(self, choice: JSON) -> JSON: ...


@lru_cache(maxsize=4096)
def _rendered(dialect: type[Request[Any]], tool: InjectedTool) -> msgspec.Raw:
    return msgspec.Raw(encode(dialect.render(tool)))


def _declared(body: dict[str, Any]) -> list[dict[str, Any]]:
    expect(body, "tools", list, "an array of tools")
    return list(objects("tools", body.get("tools") or ()))
