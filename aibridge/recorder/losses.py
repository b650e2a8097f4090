"""Records that could not be kept: counted each, told of now and then, never silent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

logger = logging.getLogger(__name__)

_SECONDS = 10.0
"""Between two lines in the log: what is lost under load comes in thousands."""


class Losses:
    """Counts. `tell`: is given each number, for a metric."""

    def __init__(self, tell: Callable[[int], object], clock: Callable[[], float] = monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._untold = 0
        self._again = -_SECONDS

    def add(self, count: int, reason: str) -> None:
        """So many more, and why."""
        self._tell(count)
        self._untold += count
        now = self._clock()
        if now >= self._again:
            logger.error("dropped %d records (%s)", self._untold, reason)
            self._untold, self._again = 0, now + _SECONDS

    def close(self) -> None:
        """Tells of the last ones."""
        if self._untold:
            logger.error("dropped %d records more", self._untold)
            self._untold = 0
