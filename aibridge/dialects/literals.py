"""What JSON writes, as patterns: for events that are so plain that they need not be decoded one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from aibridge.dialects.codec import decode

STRING = rb'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*+"'
"""Any string; whether it is UTF-8 shows when it is decoded."""

NAME = rb'"[!#-\[\]-~]*"'
"""A string of printable ASCII without escapes, such as an id."""

NUMBER = rb"(?:0|[1-9][0-9]{0,8})"
"""A number to count with."""

_NAMED = b"event: "


def parted(data: bytes, run: re.Pattern[bytes]) -> Iterator[bytes]:
    """The data, cut before and behind each run of plain events.

    Those have names. To look for the names first takes a tenth of what the pattern takes to look for itself.
    """
    done, start = 0, data.find(_NAMED)
    while start >= 0:
        match = run.match(data, start)
        if match is not None:
            if start > done:
                yield data[done:start]
            yield match.group()
            done = match.end()
        start = data.find(_NAMED, done if match else start + 1)
    if done < len(data):
        yield data[done:]


Piece = str | bytes
"""Some text: decoded, or still the JSON string in ASCII that it came as. Most text is never asked for."""


def piece_of(literal: bytes) -> Piece | None:
    """The text of this string, left as it is if it can be; None where it is not UTF-8."""
    return literal if literal.isascii() else joined((literal,))


def spoken(pieces: Iterable[Piece]) -> str:
    """The text of all pieces."""
    return "".join(piece if isinstance(piece, str) else str(decode(piece)) for piece in pieces)


def joined(literals: Iterable[bytes]) -> str | None:
    """The text of these strings, one behind the other; None where one is not UTF-8."""
    texts = decode(b"[%b]" % b",".join(literals))
    return "".join(map(str, texts)) if isinstance(texts, list) else None
