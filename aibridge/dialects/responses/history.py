"""Hidden turns in a history of items: where they belong, and the history as the provider last saw it.

A client either sends all items again, or names the response that they follow: `previous_response_id`, `conversation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from aibridge.dialects.chain import NOT_SAID, Chain, as_sent, called, in_order, told_by, words
from aibridge.dialects.codec import decode
from aibridge.dialects.responses.round import ResponsesRound
from aibridge.model import JSON, HiddenTurn, RecallKey, ToolCall, ToolResult

Item = dict[str, Any]
Run = tuple[int, int]
"""Where an answer's items begin, and where they have ended."""

_ANSWERS = ("_output", "_response")
"""What the types of items end with by which a client answers."""


def response_key(response_id: str) -> RecallKey:
    """The key of a stored response, by the id that the client was given."""
    return Chain().then("response", response_id)


def conversation_key(conversation: str, answered: Iterable[str]) -> RecallKey:
    """The key of a conversation that waits for the results of these calls."""
    return Chain().then("conversation", conversation, sorted(answered))


def stored_id(turn: HiddenTurn) -> str:
    """The id that the provider knows a stored response by; "" where it gave none."""
    return str(decode(turn.content)["last"] or "")


def places(chain: Chain, items: Sequence[Item]) -> Iterator[tuple[Run, RecallKey]]:
    """Each answer whose calls are answered, and the key of the conversation up to it; the chain grows over all."""
    end = 0
    for is_said, group in groupby(items, _is_said):
        some = list(group)
        begin, end = end, end + len(some)
        if not is_said:
            _listen(chain, some)
            continue
        chain.add("assistant", _told(some), _marks(some))
        if _ids(some) <= {*answers_in(_answers(items, end))}:
            yield (begin, end), chain.key()


def restored(items: Sequence[Item], turns: Mapping[Run, Item]) -> list[Item]:
    """The items with what was hidden put back: `turns` has it by the place of the answer that the client saw."""
    whole: list[Item] = []
    done = 0
    for (begin, end), turn in sorted(turns.items()):
        answers = _answers(items, end)
        whole += [*items[done:begin], *turn["before"], *_completed(items[begin:end], turn), *merged(turn, answers)]
        done = end + len(answers)
    return [*whole, *items[done:]]


def merged(turn: Item, theirs: Sequence[Item]) -> list[Item]:
    """Our results and the client's, in the order of the calls, before whatever else the client says."""
    return in_order(turn["order"], [(item.get("call_id"), item) for item in (*turn["results"], *theirs)])


def answers_in(items: Iterable[Item]) -> list[str]:
    """The calls that the items answer."""
    return [str(item.get("call_id")) for item in items if _is_answer(item)]


class HiddenItems:
    """What of one turn the client is not shown, as it comes about."""

    def __init__(self) -> None:
        self._before: list[Item] = []  # whole rounds
        self._shown: list[Item] = []  # the items of those rounds that the client saw
        self._results: list[Item] = []  # of a mixed round
        self._first: str | None = None  # the id that the client was given

    def add(
        self, round_: ResponsesRound, made: Sequence[tuple[ToolCall, ToolResult]], *, stored: bool
    ) -> tuple[list[Item], list[Item]]:
        """A hidden round: its items to go on with, and the results behind them."""
        self._first = self._first or round_.response_id
        items, results = round_.replay(stored=stored), _results(made)
        self._before += [*items, *results]
        self._shown += round_.visible()
        return items, results

    def set_aside(self, made: Sequence[tuple[ToolCall, ToolResult]]) -> None:
        """The results of a mixed round, to stand beside the client's own."""
        self._results = _results(made)

    def turn(self, last: ResponsesRound, *, stored: bool) -> Item | None:
        """The turn, once its last round is over; None where there is nothing to put back."""
        order = [str(item.get("call_id")) for item in last.items.values() if _is_call(item)]
        ambiguous = bool(self._results) and len(set(order)) < len(order)  # nobody could tell whose a result is
        if ambiguous or not (self._before or self._results):
            return None
        return {
            "before": self._before,
            "items": [{"ours": last.is_ours(item), "item": item} for item in last.replay(stored=stored)],
            "order": order if self._results else [],
            "results": self._results,
            "last": last.response_id,
        }

    def keys(self, chain: Chain, last: ResponsesRound) -> list[RecallKey]:
        """Those of the answer that the client saw: as items, and as references to them."""
        visible = [*self._shown, *last.visible()]
        if not all(map(_is_said, visible)):  # what the provider's own tools answered can't be told from what ours did
            return []
        references = [{"type": "item_reference", "id": item.get("id")} for item in visible]
        return [*chain.answer(_told(visible), _marks(visible)), chain.then("assistant", "", _marks(references))]

    def waiting(self, last: ResponsesRound) -> list[str]:
        """The client's calls, where results of ours are to stand beside theirs."""
        return sorted(_ids(last.visible())) if self._results else []

    def client_id(self, last: ResponsesRound) -> str:
        """The response's id as the client was given it."""
        return self._first or last.response_id or ""


def _completed(sent: Sequence[Item], turn: Item) -> list[Item]:
    """The items of the last round, ours among the client's."""
    shown = [entry["item"] for entry in turn["items"] if not entry["ours"]]
    theirs = iter(as_sent(sent, shown, _alike))
    return [entry["item"] if entry["ours"] else next(theirs) for entry in turn["items"]]


def _listen(chain: Chain, items: Iterable[Item]) -> None:
    """Lets the chain grow over what the client says."""
    for item in items:
        if _is_answer(item):
            chain.add(_kind(item), told_by(item.get("output")), [str(item.get("call_id"))])
        elif item.get("role") not in NOT_SAID:
            chain.add(str(item.get("role")), told_by(item.get("content")))


def _told(run: Iterable[Item]) -> str:
    """The words of an answer: some clients send its messages as one."""
    return "".join(told_by(item.get("content")) for item in run if _kind(item) == "message")


def _marks(run: Iterable[Item]) -> list[str]:
    """What tells the calls of an answer, and whatever stands for other items."""
    marks: list[str] = []
    for item in run:
        kind = _kind(item)
        if _is_call(item):
            text = item.get("arguments") or item.get("input") or ""
            marks += called(item.get("call_id"), item.get("name"), text)
        elif kind == "item_reference":
            marks += (kind, str(item.get("id")))
        elif kind == "compaction":
            marks += (kind, str(item.get("encrypted_content")))
    return marks


def _alike(sent: Item, shown: Item) -> bool:
    """Whether an item is the one that was shown, however the client writes it."""
    if _kind(sent) == "item_reference":
        return bool(sent.get("id") == shown.get("id"))
    same = all(sent.get(name) == shown.get(name) for name in ("call_id", "encrypted_content"))
    return same and _kind(sent) == _kind(shown) and words(_told([sent])) == words(_told([shown]))


def _results(made: Sequence[tuple[ToolCall, ToolResult]]) -> list[Item]:
    return [{"type": "function_call_output", "call_id": call.id, "output": result.text} for call, result in made]


def _kind(item: Mapping[str, JSON]) -> str:
    return str(item.get("type") or "message")


def _is_said(item: Item) -> bool:
    """Whether it is the model's."""
    return item.get("role") == "assistant" if _kind(item) == "message" else not _is_answer(item)


def _is_answer(item: Item) -> bool:
    return _kind(item).endswith(_ANSWERS)


def _is_call(item: Item) -> bool:
    """Whether it may wait for a result; the provider's own calls have no `call_id`."""
    return _kind(item).endswith("_call") and "call_id" in item


def _ids(run: Iterable[Item]) -> set[str]:
    return {str(item["call_id"]) for item in run if _is_call(item)}


def _answers(items: Sequence[Item], end: int) -> Sequence[Item]:
    """The results that follow an answer."""
    begin = end
    while end < len(items) and _is_answer(items[end]):
        end += 1
    return items[begin:end]
