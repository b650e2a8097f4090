"""How many retries a provider is sent: callers retry too, and together they could hold down a server that is ill."""

from __future__ import annotations

import math
from typing import Final

SHARE: Final = 0.2
"""Retries for each request."""

FLOOR: Final = 10.0
"""So many may be under way however few requests there are."""

_MEMORY: Final = 10.0  # seconds in which what happened loses two thirds of its weight


class Budget:
    """Counts requests and retries, recent ones more than old ones. Times are in seconds, of any one clock."""

    def __init__(self) -> None:
        self._requests = 0.0
        self._retries = 0.0
        self._at = 0.0

    def request(self, now: float) -> None:
        """Takes note of a request, its retries excluded."""
        self._fade(now)
        self._requests += 1

    def spend(self, now: float) -> bool:
        """Takes a retry, where there is one left."""
        self._fade(now)
        if self._retries + 1 > max(FLOOR, SHARE * self._requests):
            return False
        self._retries += 1
        return True

    def _fade(self, now: float) -> None:
        weight = math.exp((self._at - now) / _MEMORY)
        self._requests *= weight
        self._retries *= weight
        self._at = now
