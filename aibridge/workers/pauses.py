"""How long to wait before a dead worker is replaced: a crash that comes at once again must not eat the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

SHORTEST: Final = 0.1
LONGEST: Final = 30.0
STEADY_SECONDS: Final = 10.0
"""Who lived longer did not die at once."""


class Pauses:
    """Doubles the pause from death to death, until one has lived for a while. `now`: a clock, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._born = now()
        self._pause = SHORTEST

    def next(self) -> float:
        """Another has died: the seconds until the next begins."""
        lived = self._now() - self._born
        self._pause = SHORTEST if lived > STEADY_SECONDS else min(self._pause * 2, LONGEST)
        self._born = self._now() + self._pause
        return self._pause
