"""How Anthropic wants its thoughts back: unchanged, in order, and before the calls that they led to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aibridge.testing.fault import Fault

if TYPE_CHECKING:
    from aibridge.testing.strict_messages import Block, Placed, Turn

_THOUGHTS = ("thinking", "redacted_thinking")


def thinking_faults(body: Mapping[str, Any], turns: Sequence[Turn], said: Sequence[Sequence[Block]]) -> Iterator[Fault]:
    """Faults of the thoughts in a request. Where thinking is off the provider doesn't look at them.

    Thoughts of former turns may be left out. In the current one, that is since somebody last spoke, they must stand
    where they stood.
    """
    thinking = body.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") in (None, "disabled"):
        return
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") in ("any", "tool"):
        yield Fault("Thinking may not be enabled when tool_choice forces tool use.")
    issued = [_core(block) for blocks in said for block in blocks if block["type"] in _THOUGHTS]
    for turn in turns:
        for placed in turn.blocks:
            if placed.block["type"] in _THOUGHTS and _core(placed.block) not in issued:
                yield _foreign(placed, issued)
    for turn in _current(turns):
        if turn.role == "assistant":
            yield from _misplaced(turn, said)


def _current(turns: Sequence[Turn]) -> Sequence[Turn]:
    """The turns since the last one in which the user said something of their own."""
    for index in range(len(turns) - 1, -1, -1):
        turn = turns[index]
        if turn.role != "assistant" and not any(placed.block["type"] == "tool_result" for placed in turn.blocks):
            return turns[index + 1 :]
    return turns


def _foreign(placed: Placed, issued: Sequence[dict[str, Any]]) -> Fault:
    block = placed.block
    kind = block["type"]
    if kind == "thinking" and block["signature"] in [thought.get("signature") for thought in issued]:
        told = "blocks cannot be modified. These blocks must remain as they were in the original response."
        return Fault(f"{placed.place}: `thinking` or `redacted_thinking` {told}")
    name = "signature" if kind == "thinking" else "data"
    return Fault(f"{placed.place}: Invalid `{name}` in `{kind}` block")


def _misplaced(turn: Turn, said: Sequence[Sequence[Block]]) -> Iterator[Fault]:
    thoughts: list[dict[str, Any]] = []
    for placed in turn.blocks:
        block = placed.block
        if block["type"] in _THOUGHTS:
            thoughts.append(_core(block))
        elif block["type"] == "tool_use":
            expected = _before(block["id"], said)
            if expected and not any(thoughts[len(thoughts) - len(wanted) :] == wanted for wanted in expected):
                yield _out_of_place(placed, thoughts)


def _before(call_id: str, said: Sequence[Sequence[Block]]) -> list[list[dict[str, Any]]]:
    """The thoughts that led to a call, in each message of ours that made it: a script may use an id again."""
    return [
        [_core(thought) for thought in blocks[:index] if thought["type"] in _THOUGHTS]
        for blocks in said
        for index, block in enumerate(blocks)
        if block.get("id") == call_id
    ]


def _out_of_place(placed: Placed, thoughts: Sequence[object]) -> Fault:
    if thoughts:
        told = "blocks in the latest assistant message cannot be modified"
        rest = "These blocks must remain as they were in the original response."
        return Fault(f"{placed.place}: `thinking` or `redacted_thinking` {told}. {rest}")
    told = "Expected `thinking` or `redacted_thinking`, but found `tool_use`"
    rule = "When `thinking` is enabled, a final `assistant` message must start with a thinking block"
    where = "(preceding the lastmost set of `tool_use` and `tool_result` blocks)"
    return Fault(f"{placed.place}.type: {told}. {rule} {where}.")


def _core(block: Mapping[str, Any]) -> dict[str, Any]:
    """What of a thought must be the same."""
    return {name: block.get(name) for name in ("type", "thinking", "signature", "data") if name in block}
