"""Chunks of nothing but words, as most are: only their id changes, so they need no JSON and go on many at once.

A mark in quotes cannot stand within a JSON string, where its quotes would be escaped; so what these look for is what
the chunks say. Whatever is written in any other way is simply not plain.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from aibridge.dialects.chain import text_of
from aibridge.dialects.codec import decode

_TELLING = (b'"tool_calls"', b'"function_call"', b'"error"', b"\r")
_FINISH, _NO_FINISH = b'"finish_reason"', b'"finish_reason":null'
_CONTENT = b'"content":'
_LITERAL = re.compile(rb'"(?:[^"\\\r\n]++|\\[^\r\n])*+"')  # one JSON string, whatever its escapes are
_USAGE, _NO_USAGE = b'"usage"', b',"usage":null'

_OBFUSCATION = b',"obfuscation":"'  # some letters, so that the length of a chunk does not tell that of its words
_LETTERS = re.compile(rb'[!#-\[\]-~]*"\}\n\n')


class PlainChunks:
    """Rewrites the plain chunks of one round, once its first chunk has shown how they begin."""

    def __init__(
        self,
        prefix: bytes,
        head: bytes,
        *,
        hear: Callable[[bytes], object],
        say: Callable[[bytes], object],
        keep_usage: bool,
        keep_role: bool,
    ) -> None:
        """`prefix`: how the provider's chunks begin, up to the end of their id. `head`: how ours do.

        `hear` is given chunks that were rewritten, `say` the JSON string that a lone one of a known form says.
        """
        self._begin = b"data: " + prefix
        self._next = b"\n\n" + self._begin  # nothing else stands between two events: no name, no comment
        self._ours = b"data: " + head
        self._hear = hear
        self._say = say
        self._keep_usage = keep_usage
        self._telling = _TELLING if keep_role else (*_TELLING, b'"role"')
        self._form: tuple[bytes, bytes, bytes, bytes] | None = None  # of a lone chunk, but for its words; and of ours

    def rewritten(self, data: bytes) -> bytes | None:
        """Whole events under our id; None where any of them is not plain."""
        if self._form is not None:
            before, after, our_before, our_after = self._form
            literal = _LITERAL.match(data, len(before)) if data.startswith(before) else None
            if literal is not None:
                rest = data[literal.end() :]
                if rest == after:
                    self._say(literal[0])
                    return our_before + literal[0] + our_after
                if rest.startswith(after) and _LETTERS.fullmatch(rest, len(after)):
                    self._say(literal[0])
                    return our_before + literal[0] + our_after + rest[len(after) :]
        ours = self._read(data)
        if ours is not None:
            self._hear(data)
        return ours

    def _read(self, data: bytes) -> bytes | None:
        if not data.startswith(self._begin) or not data.endswith(b"\n\n"):
            return None
        events = data.count(b"\n\n")
        if events != data.count(self._next) + 1 or data.count(_FINISH) != data.count(_NO_FINISH):
            return None
        if data.count(b"\n") != 2 * events:  # a line beside the data
            return None
        for mark in self._telling:
            if mark in data:
                return None
        ours = data.replace(self._begin, self._ours)
        if _USAGE in data:
            if data.count(_USAGE) != data.count(_NO_USAGE):
                return None
            ours = ours if self._keep_usage else ours.replace(_NO_USAGE, b"")
        if events == 1:
            self._learn(data, ours)
        return ours

    def _learn(self, data: bytes, ours: bytes) -> None:
        """The next chunk is likely to differ in nothing but its words, and in letters that mean nothing."""
        before, mark, rest = data.partition(_CONTENT)
        our_before, _, our_rest = ours.partition(_CONTENT)
        literal = _LITERAL.match(rest) if mark else None
        if literal is None or decode(literal[0]) != words_in(data):
            return
        after, our_after = (_fixed(behind[literal.end() :]) for behind in (rest, our_rest))
        self._form = (before + mark, after, our_before + mark, our_after)


def _fixed(behind: bytes) -> bytes:
    fixed, mark, _ = behind.partition(_OBFUSCATION)
    return fixed + mark


def words_in(data: bytes) -> str:
    """What plain chunks say."""
    chunks = (decode(event.removeprefix(b"data: ")) for event in data.split(b"\n\n") if event)
    lists = (chunk.get("choices") for chunk in chunks if isinstance(chunk, dict))
    choices = (choice for choices in lists if isinstance(choices, list) for choice in choices)
    deltas = (choice.get("delta") for choice in choices if isinstance(choice, dict))
    return "".join(text_of(delta.get("content")) for delta in deltas if isinstance(delta, dict))
