"""Deltas of nothing but text, as most events are, in the one form that OpenAI gives them.

All of their bytes are known but for the text and the numbers, so those can be read without decoding each event.
"""

from __future__ import annotations

import re

from msgspec import Struct

from aibridge.dialects.literals import NAME, NUMBER, STRING, joined

_BEGIN, _END = re.compile(rb"event: response\.[a-z_.]+\.delta\n"), b"}\n\n"
_FORM = (
    rb'(event: (response\.[a-z_.]+\.delta)\ndata: \{"type":"\2","sequence_number":(%b),"item_id":%b,'
    rb'"output_index":(%b),(?:"(?:content|summary)_index":%b,)?"delta":(%b)(?:,"logprobs":\[\])?(?:,"obfuscation":%b)?\}\n\n)'
    % (NUMBER, NAME, NUMBER, NUMBER, STRING, NAME)
)
DELTA = re.compile(_FORM)
"""One delta: the event, its name, its number, the index of its item, and the JSON string that it adds."""

RUN = re.compile(_FORM + b"++")
"""Some deltas, one right behind the other."""


class Deltas(Struct, frozen=True):
    """Some deltas of one item, numbered without a gap."""

    item: int  # its index
    first: int  # the number of the first event
    size: int
    text: str


def together(data: bytes) -> Deltas | None:
    """What these deltas say; None where they are not all plain."""
    found = DELTA.findall(data) if data.endswith(_END) and _BEGIN.match(data) else ()
    if not found:
        return None
    events, _, numbers, indexes, literals = zip(*found, strict=True)
    first = int(numbers[0])
    if b"".join(events) != data or len({*indexes}) > 1 or [*map(int, numbers)] != [*range(first, first + len(numbers))]:
        return None
    text = joined(literals)
    return None if text is None else Deltas(int(indexes[0]), first, len(numbers), text)
