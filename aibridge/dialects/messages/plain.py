"""Deltas of nothing but text, as most events are, in the one form that Anthropic gives them.

All of their bytes are known but for the text, so what they say can be read without decoding each.
"""

from __future__ import annotations

import re

from msgspec import Struct

from aibridge.dialects.literals import NUMBER, STRING, joined

_BEGIN, _END = b"event: content_block_delta\n", b"}\n\n"
_FORM = (
    rb'(event: content_block_delta\ndata: \{"type":"content_block_delta","index":(%b),'
    rb'"delta":\{"type":"(text_delta","text|thinking_delta","thinking|input_json_delta","partial_json)":(%b)\} *\}\n\n)'
    % (NUMBER, STRING)
)
DELTA = re.compile(_FORM)
"""One delta: the event, the index of its block, its kind, and the JSON string that it adds."""

MEMBERS = {
    b'text_delta","text': "text",
    b'thinking_delta","thinking': "thinking",
    b'input_json_delta","partial_json': "partial_json",
}
"""What of a block the kinds add to."""

RUN = re.compile(_FORM + b"++")
"""Some deltas, one right behind the other."""


class Deltas(Struct, frozen=True):
    """Some deltas of one block."""

    block: int  # its index
    member: str  # what of the block they add to
    text: str


def together(data: bytes) -> Deltas | None:
    """What these deltas say; None where they are not all plain."""
    found = DELTA.findall(data) if data.startswith(_BEGIN) and data.endswith(_END) else ()
    if not found:
        return None
    events, indexes, kinds, literals = zip(*found, strict=True)
    if b"".join(events) != data or len({*indexes}) > 1 or len({*kinds}) > 1:
        return None
    text = joined(literals)
    return None if text is None else Deltas(int(indexes[0]), MEMBERS[kinds[0]], text)
