"""Deltas of nothing but text, as most events are, in the one form that Anthropic gives them.

All of their bytes are known but for the text, so what they say can be read without decoding each.
"""

from __future__ import annotations

import re
from typing import Any

from aibridge.dialects.literals import NUMBER, STRING, joined

_BEGIN, _END = b"event: content_block_delta\n", b"}\n\n"
_FORM = (
    rb'(event: content_block_delta\ndata: \{"type":"content_block_delta","index":(%b),'
    rb'"delta":\{"type":"(text_delta","text|thinking_delta","thinking|input_json_delta","partial_json)":(%b)\} *\}\n\n)'
    % (NUMBER, STRING)
)
_DELTA = re.compile(_FORM)

RUN = re.compile(_FORM + b"++")
"""Some deltas, one right behind the other."""


def together(data: bytes) -> tuple[int, dict[str, Any]] | None:
    """The index of a block and one delta that says what all of these say; None where they are not all plain."""
    if not (data.startswith(_BEGIN) and data.endswith(_END)):
        return None
    found = _DELTA.findall(data)
    if not found:
        return None
    events, indexes, kinds, literals = zip(*found, strict=True)
    if b"".join(events) != data or len({*indexes}) > 1 or len({*kinds}) > 1:
        return None
    text = joined(literals)
    if text is None:
        return None
    kind, member = kinds[0].decode().split('","')
    return int(indexes[0]), {"type": kind, member: text}
