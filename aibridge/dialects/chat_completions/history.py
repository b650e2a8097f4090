"""Hidden turns in a history of chat messages: where they belong, and the history as the provider last saw it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aibridge.dialects.chain import Chain, in_order, text_of
from aibridge.dialects.chat_completions.round import ChatRound
from aibridge.model import JSON, RecallKey, ToolCall, ToolResult

Message = dict[str, Any]

_NOT_SAID = ("system", "developer")
"""Instructions, which clients change between turns."""


def places(chain: Chain, messages: Sequence[Message]) -> Iterator[tuple[int, RecallKey]]:
    """Each answer of the assistant's, and the key of the conversation up to it; the chain grows over all messages."""
    for at, message in enumerate(messages):
        if message["role"] in _NOT_SAID:
            continue
        chain.add(message["role"], text_of(message.get("content")), _ids(message))
        if message["role"] == "assistant":
            yield at, chain.key()


def restored(messages: Sequence[Message], turns: Mapping[int, Message]) -> list[Message]:
    """The messages with what was hidden put back: `turns` has it by the place of the answer that the client saw."""
    whole: list[Message] = []
    at = 0
    while at < len(messages):
        turn, message = turns.get(at), messages[at]
        at += 1
        if turn is None:
            whole.append(message)
            continue
        answers = []
        while at < len(messages) and messages[at]["role"] == "tool":
            answers.append(messages[at])
            at += 1
        both = [(answer.get("tool_call_id"), answer) for answer in (*turn["results"], *answers)]
        order = [call["id"] for call in turn["calls"]]
        whole += [*turn["before"], _completed(message, turn), *in_order(order, both)]
    return whole


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

    def turn(self, chain: Chain, last: ChatRound) -> tuple[RecallKey, Message] | None:
        """The turn under its key, once its last round is over; None where nothing was hidden."""
        if not self._before and not self._results:
            return None
        theirs = [call.id for call in last.made if call.name and not call.ours]
        chain.add("assistant", self._said + last.text_so_far, theirs)
        return chain.key(), {
            "before": self._before,
            "text": last.text_so_far if self._said else None,  # None: the client's own words are the last round's
            "calls": _calls(last) if self._results else [],
            "results": self._results,
        }


def _completed(message: Message, turn: Message) -> Message:
    """The client's message without the words of earlier rounds, and with our calls among its own."""
    whole = dict(message)
    if turn["text"] is not None:
        whole["content"] = turn["text"] or None
    if turn["calls"]:
        theirs = {piece.get("id"): piece for piece in message.get("tool_calls") or ()}
        pieces = [call["sent"] or theirs.get(call["id"]) for call in turn["calls"]]
        whole["tool_calls"] = [piece for piece in pieces if piece]
    return whole


def _calls(round_: ChatRound) -> list[dict[str, JSON]]:
    """All calls of a mixed round in their order; the client brings its own again, and they are not kept."""
    return [{"id": call.id, "sent": call.as_sent() if call.ours else None} for call in round_.made if call.name]


def _results(answered: Sequence[tuple[ToolCall, ToolResult]]) -> list[Message]:
    return [{"role": "tool", "tool_call_id": call.id, "content": result.text} for call, result in answered]


def _ids(message: Message) -> list[str]:
    calls = message.get("tool_calls")
    pieces = calls if isinstance(calls, list) else []
    ids = [piece.get("id") for piece in pieces if isinstance(piece, dict)]
    return [str(each) for each in (*ids, message.get("tool_call_id")) if each]
