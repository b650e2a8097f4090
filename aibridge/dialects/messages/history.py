"""Hidden turns in a history of messages: where they belong, and the history as the provider last saw it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aibridge.dialects.chain import Chain, in_order, text_of
from aibridge.dialects.messages.round import MessagesRound
from aibridge.model import JSON, Image, RecallKey, Text, ToolCall, ToolResult

Message = dict[str, Any]

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""What the provider takes as a picture: https://docs.anthropic.com/en/docs/build-with-claude/vision"""


def places(chain: Chain, messages: Sequence[Message]) -> Iterator[tuple[int, RecallKey]]:
    """Each answer of the assistant's, and the key of the conversation up to it; the chain grows over all messages."""
    for at, message in enumerate(messages):
        blocks = _blocks(message)
        results = "".join(text_of(block.get("content")) for block in blocks if block.get("type") == "tool_result")
        ids = (block.get("id") or block.get("tool_use_id") for block in blocks if "tool_" in str(block.get("type")))
        chain.add(message["role"], results + text_of(message["content"]), map(str, ids))
        if message["role"] == "assistant":
            yield at, chain.key()


def restored(messages: Sequence[Message], turns: Mapping[int, Message]) -> list[Message]:
    """The messages with what was hidden put back: `turns` has it by the place of the answer that the client saw."""
    whole: list[Message] = []
    for at, message in enumerate(messages):
        turn, asked = turns.get(at), turns.get(at - 1)
        if turn is not None:
            whole += [*turn["before"], _completed(message, turn)]
        elif asked is not None and asked["results"]:
            whole.append(_answered(message, asked))
        else:
            whole.append(message)
    return whole


class HiddenMessages:
    """What of one turn the client is not shown, as it comes about."""

    def __init__(self) -> None:
        self._before: list[Message] = []  # whole rounds
        self._shown: list[Message] = []  # the blocks of those rounds that the client saw
        self._results: list[Message] = []  # of a mixed round

    def add(self, round_: MessagesRound, answered: Sequence[tuple[ToolCall, ToolResult]]) -> list[Message]:
        """A hidden round: the messages to go on with, which are all the blocks as they were and all the results."""
        messages = [
            {"role": "assistant", "content": round_.replay()},
            {"role": "user", "content": _results(answered)},
        ]
        self._before += messages
        self._shown += round_.visible()
        return messages

    def set_aside(self, answered: Sequence[tuple[ToolCall, ToolResult]]) -> None:
        """The results of a mixed round, to stand beside the client's own."""
        self._results = _results(answered)

    def turn(self, chain: Chain, last: MessagesRound) -> tuple[RecallKey, Message] | None:
        """The turn under its key, once its last round is over; None where nothing was hidden."""
        if not self._before and not self._results:
            return None
        visible = [*self._shown, *last.visible()]
        theirs = [str(block["id"]) for block in visible if "tool_" in str(block.get("type")) and block.get("id")]
        chain.add("assistant", text_of(visible), theirs)
        return chain.key(), {
            "before": self._before,
            "shown": len(self._shown),
            "blocks": [{"ours": block.ours, "block": block.whole()} for block in last.blocks],
            "results": self._results,
        }


def _completed(message: Message, turn: Message) -> Message:
    """The client's message without the blocks of earlier rounds, and with our calls among its own blocks."""
    ours = [entry["ours"] for entry in turn["blocks"]]
    if not turn["shown"] and not any(ours):
        return message
    recorded = [entry["block"] for entry in turn["blocks"] if not entry["ours"]]
    sent = _blocks(message)
    # Where the client kept the blocks as they were, its own go on; where it merged or dropped some, the recorded ones.
    theirs = iter(sent[turn["shown"] :] if len(sent) == turn["shown"] + len(recorded) else recorded)
    whole = [entry["block"] if entry["ours"] else next(theirs) for entry in turn["blocks"]]
    return {**message, "content": [block for block in whole if block.get("type") != "text" or block.get("text")]}


def _answered(message: Message, turn: Message) -> Message:
    """The client's results and ours, in the order of the calls, before whatever else it says."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    theirs = [block for block in blocks if block.get("type") == "tool_result"]
    order = [str(entry["block"].get("id")) for entry in turn["blocks"]]
    results = in_order(order, [(block.get("tool_use_id"), block) for block in (*turn["results"], *theirs)])
    return {**message, "content": [*results, *(block for block in blocks if block.get("type") != "tool_result")]}


def _results(answered: Sequence[tuple[ToolCall, ToolResult]]) -> list[Message]:
    return [_result(call, result) for call, result in answered]


def _result(call: ToolCall, result: ToolResult) -> Message:
    block = {"type": "tool_result", "tool_use_id": call.id, "content": [_block(part) for part in result.parts]}
    return block if result.error is None else {**block, "is_error": True}


def _block(part: Text | Image) -> dict[str, JSON]:
    if isinstance(part, Image) and part.media_type in _IMAGES:
        source = {"type": "base64", "media_type": part.media_type, "data": part.data}
        return {"type": "image", "source": source}
    return {"type": "text", "text": part.text}


def _blocks(message: Message) -> list[Message]:
    content = message["content"]
    return content if isinstance(content, list) else []
