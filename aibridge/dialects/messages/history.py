"""Hidden turns in a history of messages: where they belong, and the history as the provider last saw it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from aibridge.dialects.chain import NOT_SAID, Chain, as_sent, called, in_order, told_by, words
from aibridge.dialects.messages.round import MessagesRound
from aibridge.model import JSON, Image, RecallKey, Text, ToolCall, ToolResult

Message = dict[str, Any]

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""What the provider takes as a picture: https://docs.anthropic.com/en/docs/build-with-claude/vision"""


def places(chain: Chain, messages: Sequence[Message]) -> Iterator[tuple[int, RecallKey]]:
    """Each answer whose calls are answered, and the key of the conversation up to it; the chain grows over all."""
    for at, message in enumerate(messages):
        if message["role"] in NOT_SAID:
            continue
        blocks = _blocks(message["content"])
        chain.add(message["role"], told_by(blocks), _marks(blocks))
        if message["role"] == "assistant" and _ids(blocks) <= _answered(messages, at):
            yield at, chain.key()


def restored(messages: Sequence[Message], turns: Mapping[int, Message]) -> list[Message]:
    """The messages with what was hidden put back: `turns` has it by the place of the answer that the client saw."""
    whole: list[Message] = []
    for at, message in enumerate(messages):
        turn, asked = turns.get(at), turns.get(at - 1)
        if turn is not None:
            whole += [*turn["before"], *_completed(message, turn)]
        elif asked is not None and asked["results"]:
            whole.append(_merged(message, asked))
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

    def turn(self, chain: Chain, last: MessagesRound) -> tuple[list[RecallKey], Message] | None:
        """The turn under its keys, once its last round is over; None where there is nothing to put back."""
        wholes = [(block.ours, block.whole()) for block in last.blocks]
        calls = [str(whole.get("id")) for _, whole in wholes if _is_call(whole)]
        ambiguous = bool(self._results) and len(set(calls)) < len(calls)  # nobody could tell whose a result is
        if ambiguous or not (self._before or self._results):
            return None
        visible = [*self._shown, *(whole for ours, whole in wholes if not ours)]
        return chain.answer(told_by(visible), _marks(visible)), {
            "before": self._before,
            "blocks": [{"ours": ours, "block": whole} for ours, whole in wholes if not _is_blank(whole)],
            "results": self._results,
        }


def _completed(message: Message, turn: Message) -> list[Message]:
    """The client's message with the blocks of the last round alone, our calls among them; none where it has none."""
    sent = _blocks(message["content"])
    shown = [entry["block"] for entry in turn["blocks"] if not entry["ours"]]
    theirs = iter(as_sent(sent, shown, _alike))
    whole = [entry["block"] if entry["ours"] else next(theirs) for entry in turn["blocks"]]
    if not whole:
        return []
    return [message if whole == sent else {**message, "content": whole}]


def _merged(message: Message, turn: Message) -> Message:
    """The client's results and ours, in the order of the calls, before whatever else it says."""
    blocks = _blocks(message["content"])
    theirs = [block for block in blocks if block.get("type") == "tool_result"]
    order = [str(entry["block"].get("id")) for entry in turn["blocks"]]
    results = in_order(order, [(block.get("tool_use_id"), block) for block in (*turn["results"], *theirs)])
    return {**message, "content": [*results, *(block for block in blocks if block.get("type") != "tool_result")]}


def _results(answered: Sequence[tuple[ToolCall, ToolResult]]) -> list[Message]:
    return [_result(call, result) for call, result in answered]


def _result(call: ToolCall, result: ToolResult) -> Message:
    parts = [_block(part) for part in result.parts if part.text]  # an empty text block would be refused
    block = {"type": "tool_result", "tool_use_id": call.id, "content": parts}
    return block if result.error is None else {**block, "is_error": True}


def _block(part: Text | Image) -> dict[str, JSON]:
    if isinstance(part, Image) and part.media_type in _IMAGES:
        source = {"type": "base64", "media_type": part.media_type, "data": part.data}
        return {"type": "image", "source": source}
    return {"type": "text", "text": part.text}


def _blocks(content: JSON) -> list[Message]:
    """A message's content in blocks; a string stands for one of text."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content if isinstance(content, list) else []


def _marks(blocks: Iterable[Message]) -> list[str]:
    """What tells the calls in these blocks, and the results; not what the provider ran by itself."""
    marks: list[str] = []
    for block in blocks:
        if _is_call(block):
            marks += called(block.get("id"), block.get("name"), block.get("input") or "")
        elif block.get("type") == "tool_result":
            marks += (str(block.get("tool_use_id")), told_by(block.get("content")))
    return marks


def _is_call(block: Message) -> bool:
    return block.get("type") == "tool_use"


def _is_blank(block: Message) -> bool:
    """Whether it is text without words, which the provider says but does not take back."""
    return block.get("type") == "text" and not str(block.get("text") or "").strip()


def _alike(sent: Message, shown: Message) -> bool:
    """Whether a block is the one that was shown, however the client writes it."""
    same = all(sent.get(name) == shown.get(name) for name in ("type", "id", "tool_use_id", "signature", "data"))
    return same and words(str(sent.get("text"))) == words(str(shown.get("text")))


def _ids(blocks: Iterable[Message]) -> set[str]:
    return {str(block.get("id")) for block in blocks if _is_call(block)}


def _answered(messages: Sequence[Message], at: int) -> set[str]:
    """The calls that are answered by the user's message behind an answer."""
    following = [block for message in messages[at + 1 : at + 2] for block in _blocks(message["content"])]
    return {str(block.get("tool_use_id")) for block in following if block.get("type") == "tool_result"}
