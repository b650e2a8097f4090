"""Chunks of nothing but words, as most are: only their id changes, so they need no JSON and go on many at once.

A mark in quotes cannot stand within a JSON string, where its quotes would be escaped; so what these look for is what
the chunks say. Whatever is written in any other way is simply not plain.
"""

from __future__ import annotations

from aibridge.dialects.chain import text_of
from aibridge.dialects.codec import decode

_TELLING = (b'"tool_calls"', b'"function_call"', b'"error"', b"\r")
_FINISH, _NO_FINISH = b'"finish_reason"', b'"finish_reason":null'
_USAGE, _NO_USAGE = b'"usage"', b',"usage":null'


class PlainChunks:
    """Rewrites the plain chunks of one round, once its first chunk has shown how they begin."""

    def __init__(self, prefix: bytes, head: bytes, *, keep_usage: bool, keep_role: bool) -> None:
        """`prefix`: how the provider's chunks begin, up to the end of their id. `head`: how ours do."""
        self._begin = b"data: " + prefix
        self._next = b"\n\n" + self._begin  # nothing else stands between two events: no name, no comment
        self._ours = b"data: " + head
        self._keep_usage = keep_usage
        self._telling = _TELLING if keep_role else (*_TELLING, b'"role"')

    def rewritten(self, data: bytes) -> bytes | None:
        """Whole events under our id; None where any of them is not plain."""
        if not data.startswith(self._begin) or not data.endswith(b"\n\n"):
            return None
        if data.count(b"\n\n") != data.count(self._next) + 1 or data.count(_FINISH) != data.count(_NO_FINISH):
            return None
        for mark in self._telling:
            if mark in data:
                return None
        if _USAGE in data:
            if data.count(_USAGE) != data.count(_NO_USAGE):
                return None
            data = data if self._keep_usage else data.replace(_NO_USAGE, b"")
        return data.replace(self._begin, self._ours)


def words_in(data: bytes) -> str:
    """What plain chunks say."""
    chunks = (decode(event.removeprefix(b"data: ")) for event in data.split(b"\n\n") if event)
    lists = (chunk.get("choices") for chunk in chunks if isinstance(chunk, dict))
    choices = (choice for choices in lists if isinstance(choices, list) for choice in choices)
    deltas = (choice.get("delta") for choice in choices if isinstance(choice, dict))
    return "".join(text_of(delta.get("content")) for delta in deltas if isinstance(delta, dict))
