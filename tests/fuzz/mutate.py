"""JSON that is nearly right: what a provider or a client might send on its worst day."""

from __future__ import annotations

import json
from typing import Any

from tests.dialects.playing import CITY, TIME
from tests.fuzz.dice import Dice

NAMES = f"""
{TIME.name} {CITY.name} tool_calls tool_use function_call stop length end_turn required auto none null [DONE] assistant
user tool error response.completed response.output_item.done message_stop message_delta content_block_start
input_json_delta call-1 {{}} {{ {{"a":1}}
""".split()

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**63, -(2**70), 0.5, 1e308),
    *("", " ", "x", "x" * 300, "\ud83d", "\u0000", "\r\n\r\ndata: {}", f" {TIME.name} "),
    *([], {}, [[]], [None], [{}], {"": None}, {"id": None}, {"type": "function"}, {"index": -1}, [0, 1, 2]),
    *NAMES,
]
_DEEP = 600


def mutated(dice: Dice, value: Any) -> Any:
    """The value with some of its places changed."""
    for _ in range(dice.below(5)):
        value = _once(dice, value)
    return value


def dumped(dice: Dice, value: Any) -> bytes:
    """JSON in some spelling; now and then nested, cut or with a key twice."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=not dice.one_in(4)).encode(errors="replace")
    match dice.below(24):
        case 21:
            return b"[" * _DEEP + text + b"]" * _DEEP
        case 22:
            return text[: dice.below(256)]
        case 23:
            return text.replace(b"{", b'{"id":NaN,', 1)
        case _:
            return text


def _once(dice: Dice, value: Any) -> Any:
    if isinstance(value, dict) and value and not dice.one_in(6):
        return _object(dice, dict(value))
    if isinstance(value, list) and value and not dice.one_in(6):
        return _array(dice, list(value))
    return dice.pick(ODD)


def _object(dice: Dice, value: dict[str, Any]) -> dict[str, Any]:
    key = dice.pick(list(value))
    match dice.below(8):
        case 6:
            del value[key]
        case 7:
            value[str(dice.pick(ODD))] = value[key]
        case _:
            value[key] = _once(dice, value[key])
    return value


def _array(dice: Dice, value: list[Any]) -> list[Any]:
    at = dice.below(len(value))
    match dice.below(8):
        case 5:
            del value[at]
        case 6:
            value.insert(at, value[at])
        case 7:
            value.append(value.pop(at))
        case _:
            value[at] = _once(dice, value[at])
    return value
