"""Turns that are nearly right: a client's body and what the provider answers, round after round."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.dialects.playing import CITY, TIME, Said, Say, Voice
from tests.fuzz.dice import Dice
from tests.fuzz.mutate import dumped, mutated

NAMES = [TIME.name, CITY.name, "edit", TIME.name.upper(), f" {TIME.name}", "", TIME.name + "_x"]
ARGUMENTS = ["{}", "", '{"a":1}', "{", "[]", '"\\u00e9"', '{"a":' * 40 + "1" + "}" * 40, "null", " "]
TEXTS = ["", "Hello", "ünï ©", "data: {}\n\n", "\u2028", "x" * 200]
AS_EVENTS = -1  # a size: each event arrives by itself
_SEPARATOR = b"\xff\x00"


@dataclass(frozen=True)
class Scene:
    """What the client sends, what the provider answers, and how it arrives."""

    body: bytes
    rounds: list[bytes]
    tools: bool
    size: int  # bytes that arrive at a time in a second play, or AS_EVENTS; 0: there is none

    @property
    def came(self) -> int:
        """All its bytes."""
        return len(self.body) + sum(map(len, self.rounds))


def scene(voice: Voice, data: bytes) -> Scene:
    """A turn that the bytes tell: raw, or built and then spoilt."""
    dice = Dice(data)
    tools, size = not dice.one_in(4), dice.pick([AS_EVENTS, 61, AS_EVENTS, 7, 0, 0, 128, 5])
    if dice.one_in(4):
        body, *rounds = dice.rest().split(_SEPARATOR)
        return Scene(body, rounds, tools, size)
    streaming = dice.one_in(2) or dice.one_in(2)
    body = _body(dice, voice, streaming)
    rounds = [_answer(dice, voice, streaming) for _ in range(1 + dice.below(4))]
    if tail := dice.rest():
        rounds[-1] += tail
    return Scene(body, rounds, tools, size)


def raw(body: bytes, *rounds: bytes, tools: bool = True) -> bytes:
    """The bytes that tell exactly this turn."""
    return bytes([0 if tools else 3, 0, 3]) + _SEPARATOR.join([body, *rounds])


def _body(dice: Dice, voice: Voice, streaming: bool) -> bytes:
    members: dict[str, Any] = {}
    if dice.one_in(3):
        members["tools"] = [voice.tool(dice.pick(NAMES)) for _ in range(dice.below(3))]
    if dice.one_in(3):
        members["tool_choice"] = dice.pick([voice.free("auto"), voice.free("none"), *voice.forced()])
    if dice.one_in(4):
        members |= voice.forged()
    return dumped(dice, mutated(dice, json.loads(voice.request(streaming=streaming, **members))))


def _answer(dice: Dice, voice: Voice, streaming: bool) -> bytes:
    answer = voice.answer(_say(dice), streaming=streaming)
    return _spoilt_stream(dice, answer) if streaming else dumped(dice, mutated(dice, json.loads(answer)))


def _say(dice: Dice) -> Say:
    calls = tuple(
        Said(f"call-{dice.below(3)}", dice.pick(NAMES), dice.pick(ARGUMENTS)) for _ in range(dice.pick([0, 1, 1, 2, 3]))
    )
    return Say(
        dice.pick(TEXTS),
        calls,
        dice.pick(["", "", "", "length", "stop", "tool_calls"]),
        dice.pick([(10, 5), None, (0, 0)]),
        f"resp-{dice.below(3)}",
    )


def _spoilt_stream(dice: Dice, answer: bytes) -> bytes:
    events = [_spoilt_event(dice, event) for event in answer.split(b"\n\n") if event]
    for _ in range(dice.below(4)):
        at = dice.below(len(events) or 1)
        match dice.below(5):
            case 0:
                events[at:at] = [b": a comment\n\n"]
            case 1:
                events[at:at] = events[at : at + 1]
            case 2:
                del events[at : at + 1]
            case 3:
                events.append(events.pop(at) if events else b"")
            case _:
                del events[at:]
    whole = b"".join(events)
    return whole[: -dice.below(12) or None] if dice.one_in(6) else whole


def _spoilt_event(dice: Dice, event: bytes) -> bytes:
    lines = event.split(b"\n")
    data = lines[-1].removeprefix(b"data: ")
    if dice.one_in(4) and data.startswith(b"{"):
        lines[-1] = b"data: " + dumped(dice, mutated(dice, json.loads(data)))
    end = dice.pick([b"\n"] * 6 + [b"\r\n", b"\r"])
    if dice.one_in(16):
        lines[-1] = lines[-1].replace(b"data: ", b"data:")
    return end.join(lines) + end + end
