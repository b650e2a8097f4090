"""Whatever is logged, made fit for one line: no control characters, no secrets, no end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from traceback import walk_tb
from typing import Any, Final, final

from structlog.typing import EventDict

from aibridge.telemetry.redaction import MASK, Redactor, is_secret

_LONGEST: Final = 10_000
_DEEPEST: Final = 6
_FRAMES: Final = 12
_CAUSES: Final = 6
# What ends a line, moves a cursor, turns text around, or cannot be encoded.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escape(text: str) -> str:
    r"""The text with its control characters as one reads them: `\n`, `\x1b`."""
    if text.isprintable():
        return text
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


@final
class Cleaner:
    """A processor: what it lets through is plain data, in printable text, without secrets."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact

    def __call__(self, _: Any, __: str, entry: EventDict) -> EventDict:
        return {self._text(str(name)): self._value(str(name), value) for name, value in entry.items()}

    def _value(self, name: str, value: object, depth: int = 0) -> object:
        if is_secret(name):
            return MASK
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping) and depth < _DEEPEST:
            return {self._text(str(key)): self._value(str(key), item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple) and depth < _DEEPEST:
            return self._items(value, depth + 1)
        return self._text(_words(value))

    def _items(self, items: Sequence[object], depth: int) -> list[object]:
        if len(items) == 2 and is_secret(_words(items[0])):  # a header as a pair
            return [_words(items[0]), MASK]
        return [self._value("", item, depth) for item in items]

    def _text(self, text: str) -> str:
        text = escape(self._redact(text))
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]}… ({len(text) - _LONGEST} characters more)"
        return text


def _words(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value) if isinstance(value, str | BaseException) else repr(value)


def flatten(error: BaseException) -> str:
    """What was raised and where, innermost frame first, then what it came from; nothing of the variables' values."""
    return _flat(error, _CAUSES)


def _flat(error: BaseException, causes: int) -> str:
    frames = [
        f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in walk_tb(error.__traceback__)
    ]
    text = f"{type(error).__qualname__}: {error}"
    if frames:
        text += " @ " + " ← ".join(frames[: -_FRAMES - 1 : -1])
    if causes == 0:
        return text
    if isinstance(error, BaseExceptionGroup):
        text += " { " + " | ".join(_flat(inner, causes - 1) for inner in error.exceptions) + " }"
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return text if before is None else f"{text} ⇐ {_flat(before, causes - 1)}"
