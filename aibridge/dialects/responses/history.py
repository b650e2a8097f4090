"""Hidden turns in a history of items: where they belong, and the history as the provider last saw it.

A client either sends all items again, or names the response that they follow: `previous_response_id`, `conversation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from aibridge.dialects.chain import Chain, in_order, text_of
from aibridge.dialects.codec import decode
from aibridge.dialects.responses.round import ResponsesRound
from aibridge.model import HiddenTurn, RecallKey, ToolCall, ToolResult

Item = dict[str, Any]
Run = tuple[int, int]
"""Where an answer's items begin, and where they have ended."""

_NOT_SAID = ("system", "developer")
"""Instructions, which clients change between turns."""


def response_key(response_id: str) -> RecallKey:
    """The key of a stored response, by the id that the client was given."""
    return _named("response", response_id)


def conversation_key(conversation: str, answered: Iterable[str]) -> RecallKey:
    """The key of a conversation that waits for the results of these calls."""
    return _named("conversation", conversation, *sorted(answered))


def stored_id(turn: HiddenTurn) -> str:
    """The id that the provider knows a stored response by."""
    return str(decode(turn.content)["last"])


def places(chain: Chain, items: Sequence[Item]) -> Iterator[tuple[Run, RecallKey]]:
    """Each answer of the model's, and the key of the conversation up to it; the chain grows over all items."""
    begun: int | None = None
    for at, item in enumerate(items):
        _add(chain, item)
        if not _is_output(item):
            begun = None
            continue
        begun = at if begun is None else begun
        if at + 1 == len(items) or not _is_output(items[at + 1]):
            yield (begun, at + 1), chain.key()


def restored(items: Sequence[Item], turns: Mapping[Run, Item]) -> list[Item]:
    """The items with what was hidden put back: `turns` has it by the place of the answer that the client saw."""
    whole: list[Item] = []
    at = 0
    for (begin, end), turn in sorted(turns.items()):
        whole += [*items[at:begin], *_completed(items[begin:end], turn)]
        at = end
        answers = []
        while at < len(items) and _is_answer(items[at]):
            answers.append(items[at])
            at += 1
        whole += answered(turn, answers)
    return [*whole, *items[at:]]


def answered(turn: Item, theirs: Sequence[Item]) -> list[Item]:
    """Our results and the client's, in the order of the calls."""
    return in_order(turn["order"], [(item.get("call_id"), item) for item in (*turn["results"], *theirs)])


def answers_in(items: Iterable[Item]) -> list[str]:
    """The calls that the items answer."""
    return [str(item.get("call_id")) for item in items if _is_answer(item)]


class HiddenItems:
    """What of one turn the client is not shown, as it comes about."""

    def __init__(self) -> None:
        self._items: list[Item] = []  # {"hidden", "item"}: of whole rounds, as the provider saw them
        self._results: list[Item] = []  # of a mixed round
        self._first: str | None = None  # the id that the client was given

    def add(
        self, round_: ResponsesRound, made: Sequence[tuple[ToolCall, ToolResult]], *, stored: bool
    ) -> tuple[list[Item], list[Item]]:
        """A hidden round: its items to go on with, and the results behind them."""
        self._first = self._first or round_.response_id
        items, results = round_.replay(stored=stored), _results(made)
        self._items += [_entry(round_, item) for item in items]
        self._items += [{"hidden": True, "item": result} for result in results]
        return items, results

    def set_aside(self, made: Sequence[tuple[ToolCall, ToolResult]]) -> None:
        """The results of a mixed round, to stand beside the client's own."""
        self._results = _results(made)

    def turn(self, last: ResponsesRound) -> Item | None:
        """The turn, once its last round is over; None where nothing was hidden."""
        if not self._items and not self._results:
            return None
        return {
            "items": [*self._items, *(_entry(last, item) for item in last.items.values())],
            "order": [call.id for call in last.calls()],
            "results": self._results,
            "last": last.response_id,
        }

    def client_id(self, last: ResponsesRound) -> str:
        """The response's id as the client was given it."""
        return self._first or last.response_id or ""


def visible(turn: Item) -> list[Item]:
    """The items of a turn that the client was shown."""
    return [entry["item"] for entry in turn["items"] if not entry["hidden"]]


def add_all(chain: Chain, items: Iterable[Item]) -> None:
    """Lets the chain grow over these items."""
    for item in items:
        _add(chain, item)


def _add(chain: Chain, item: Item) -> None:
    kind, role = str(item.get("type") or "message"), item.get("role")
    if kind == "message":
        if role not in _NOT_SAID:
            chain.add(str(role), text_of(item.get("content")))
    elif kind != "reasoning":
        chain.add(kind, text_of(item.get("output")), [str(item.get("call_id") or item.get("id") or "")])


def _completed(sent: Sequence[Item], turn: Item) -> list[Item]:
    """Where the client kept the items as they were, its own go on; where it dropped some, the recorded ones."""
    recorded = visible(turn)
    theirs = iter(sent if len(sent) == len(recorded) else recorded)
    return [entry["item"] if entry["hidden"] else next(theirs) for entry in turn["items"]]


def _entry(round_: ResponsesRound, item: Item) -> Item:
    return {"hidden": round_.is_ours(item), "item": item}


def _results(made: Sequence[tuple[ToolCall, ToolResult]]) -> list[Item]:
    return [{"type": "function_call_output", "call_id": call.id, "output": result.text} for call, result in made]


def _is_answer(item: Item) -> bool:
    return str(item.get("type")).endswith("_output")


def _is_output(item: Item) -> bool:
    kind = str(item.get("type") or "message")
    return kind == "reasoning" or kind.endswith("_call") or (kind == "message" and item.get("role") == "assistant")


def _named(*words: str) -> RecallKey:
    chain = Chain()
    chain.add("named", "", words)
    return chain.key()
