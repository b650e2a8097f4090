"""Hidden turns in a history of chat messages: where they belong, and the history as the provider last saw it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from aibridge.dialects.chain import NOT_SAID, Chain, called, in_order, text_of, told_by, words
from aibridge.dialects.chat_completions.round import Call, ChatRound
from aibridge.model import JSON, RecallKey, ToolCall, ToolResult

Message = dict[str, Any]


def places(chain: Chain, messages: Sequence[Message]) -> Iterator[tuple[int, RecallKey]]:
    """Each answer whose calls are answered, and the key of the conversation up to it; the chain grows over all."""
    for at, message in enumerate(messages):
        if message["role"] in NOT_SAID:
            continue
        calls = _calls_in(message)
        chain.add(message["role"], told_by(message.get("content")), _marks(message, calls))
        if message["role"] == "assistant" and _ids(calls) <= _answered(messages, at):
            yield at, chain.key()


def restored(messages: Sequence[Message], turns: Mapping[int, Message]) -> list[Message]:
    """The messages with what was hidden put back: `turns` has it by the place of the answer that the client saw."""
    whole: list[Message] = []
    done = 0
    for at, turn in sorted(turns.items()):
        answers = _answers(messages, at)
        both = [(answer.get("tool_call_id"), answer) for answer in (*turn["results"], *answers)]
        order = [call["id"] for call in turn["calls"]]
        whole += [*messages[done:at], *turn["before"], _completed(messages[at], turn), *in_order(order, both)]
        done = at + 1 + len(answers)
    return [*whole, *messages[done:]]


class HiddenMessages:
    """What of one turn the client is not shown, as it comes about."""

    def __init__(self) -> None:
        self._before: list[Message] = []  # whole rounds
        self._said = ""  # in those rounds, and shown
        self._results: list[Message] = []  # of a mixed round

    def add(self, round_: ChatRound, answered: Sequence[tuple[ToolCall, ToolResult]]) -> list[Message]:
        """A hidden round: the messages to go on with."""
        messages = [round_.replay(), *_results(answered)]
        self._before += messages
        self._said += round_.text_so_far
        return messages

    def set_aside(self, answered: Sequence[tuple[ToolCall, ToolResult]]) -> None:
        """The results of a mixed round, to stand beside the client's own."""
        self._results = _results(answered)

    def turn(self, chain: Chain, last: ChatRound) -> tuple[list[RecallKey], Message] | None:
        """The turn under its keys, once its last round is over; None where there is nothing to put back."""
        calls = [call for call in last.made if call.name]
        ids = {call.id for call in calls if call.id}
        ambiguous = bool(self._results) and len(ids) < len(calls)  # nobody could tell whose a result is
        if ambiguous or not (self._before or self._results):
            return None
        theirs = [mark for call in calls if not call.ours for mark in called(call.id, call.name, call.text)]
        return chain.answer(self._said + last.text_so_far, theirs), {
            "before": self._before,
            "text": last.text_so_far,
            "calls": _recorded(calls) if self._results else [],
            "results": self._results,
        }


def _completed(message: Message, turn: Message) -> Message:
    """The client's message with the words of the last round alone, and with our calls among its own."""
    whole = dict(message)
    if words(text_of(message.get("content"))) != words(turn["text"]):
        whole["content"] = turn["text"] or (None if message.get("tool_calls") else "")
    if turn["calls"]:
        theirs = iter(_calls_in(message))
        whole["tool_calls"] = [call["ours"] or next(theirs) for call in turn["calls"]]
    return whole


def _recorded(calls: Iterable[Call]) -> list[dict[str, JSON]]:
    """All calls of a mixed round in their order; the client brings its own again, and they are not kept."""
    return [{"id": call.id, "ours": call.as_sent() if call.ours else None} for call in calls]


def _results(answered: Sequence[tuple[ToolCall, ToolResult]]) -> list[Message]:
    return [{"role": "tool", "tool_call_id": call.id, "content": result.text} for call, result in answered]


def _calls_in(message: Message) -> list[Message]:
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _marks(message: Message, calls: Sequence[Message]) -> list[str]:
    """What tells the calls of a message, or the one that it answers."""
    if answered := message.get("tool_call_id"):
        return [str(answered)]
    return [mark for call in calls for mark in _called(call)]


def _called(call: Message) -> tuple[str, str, str]:
    made = call.get("function") or call.get("custom")
    body = made if isinstance(made, dict) else {}
    return called(call.get("id"), body.get("name"), body.get("arguments") or body.get("input") or "")


def _ids(calls: Iterable[Message]) -> set[str]:
    return {str(call.get("id")) for call in calls}


def _answered(messages: Sequence[Message], at: int) -> set[str]:
    return {str(answer.get("tool_call_id")) for answer in _answers(messages, at)}


def _answers(messages: Sequence[Message], at: int) -> Sequence[Message]:
    """The results that follow a message."""
    end = at + 1
    while end < len(messages) and messages[end]["role"] == "tool":
        end += 1
    return messages[at + 1 : end]
