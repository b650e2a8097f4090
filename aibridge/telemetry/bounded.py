"""A label whose values a caller chooses, kept within bounds: each new one is a series that is never given back."""

from __future__ import annotations

from typing import Final, final

OTHER: Final = "other"
_LONGEST: Final = 128


@final
class Bounded:
    """Lets the first `limit` distinct values through; any other, or one that no eye could read, is `other`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) < self._limit and len(value) <= _LONGEST and value.isprintable():
            self._known.add(value)
            return value
        return OTHER
