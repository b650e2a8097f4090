"""A body whose conversation is a list of messages: what chat completions and Anthropic messages have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from aibridge.dialects.chain import Chain
from aibridge.dialects.check import expect, objects, wrong
from aibridge.dialects.codec import decode, encode
from aibridge.dialects.request import Request
from aibridge.errors import ClientError
from aibridge.model import JSON, HiddenTurn, RecallKey, ToolCall, ToolResult

Message = dict[str, Any]
Answered = Sequence[tuple[ToolCall, ToolResult]]

R = TypeVar("R")


class Hidden(Protocol[R]):  # type: ignore[misc]  # R is only taken, and mypy would have it contravariant
    """What of one turn the client is not shown, as it comes about."""

    def add(self, round_: R, answered: Answered) -> list[Message]:
        """A hidden round: the messages to go on with."""
        ...

    def set_aside(self, answered: Answered) -> None:
        """The results of a mixed round, to stand beside the client's own."""
        ...

    def turn(self, chain: Chain, last: R) -> tuple[list[RecallKey], Message] | None:
        """The turn under its keys, once its last round is over; None where there is nothing to put back."""
        ...


class Conversation(Request[R]):
    """A request whose history is in `messages`."""

    _hidden: Hidden[R]
    _chain: Chain | None = None  # over the client's messages; None where nothing is to be remembered
    _keys: Sequence[tuple[int, RecallKey]] = ()

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

    def append(self, round_: R, answered: Answered) -> None:
        self._body["messages"] = [*self._body["messages"], *self._hidden.add(round_, answered)]
        self._relax()

    def set_aside(self, answered: Answered) -> None:
        self._hidden.set_aside(answered)

    def lookups(self) -> list[RecallKey]:
        if not self.injected:  # calls of tools that are not offered would be refused
            return []
        self._chain = Chain()
        self._keys = list(self._places(self._chain, self._body["messages"]))
        return [key for _, key in self._keys]

    def restore(self, turns: Sequence[HiddenTurn]) -> int:
        found = {key: decode(turn.content) for turn in turns for key in turn.keys}
        known = {place: found[key] for place, key in self._keys if key in found}
        self._body["messages"] = self._restored(self._body["messages"], known)
        return len(known)

    def hidden(self, last: R) -> HiddenTurn | None:
        made = None if self._chain is None else self._hidden.turn(self._chain, last)
        return None if made is None else HiddenTurn(tuple(made[0]), encode(made[1]))

    @abstractmethod
    def _places(self, chain: Chain, messages: Sequence[Message]) -> Iterator[tuple[int, RecallKey]]:
        """Each answer whose calls are answered, and the key of the conversation up to it; the chain grows over all."""

    @abstractmethod
    def _restored(self, messages: Sequence[Message], turns: Mapping[int, JSON]) -> list[Message]:
        """The messages with what was hidden put back, by the place of the answer that the client saw."""


def check_messages(body: dict[str, Any], *, model: str, content: str, may_be_null: bool) -> None:
    """Raises ClientError unless there is a model and a list of messages that can be worked with."""
    expect(body, "model", str, f"a string such as '{model}'", required=True)
    expect(body, "messages", list, "an array of messages", required=True)
    if not body["messages"]:
        raise ClientError("'messages' must hold at least one message.", param="messages")
    for number, message in enumerate(objects("messages", body["messages"])):
        path = f"messages[{number}]"
        if not isinstance(message.get("role"), str):
            raise wrong(f"{path}.role", "a string such as 'user'", message.get("role"))
        given = message.get("content")
        if isinstance(given, list):
            objects(f"{path}.content", given)
        elif not isinstance(given, str) and not (may_be_null and given is None):
            raise wrong(f"{path}.content", f"a string or an array of {content}", given)
