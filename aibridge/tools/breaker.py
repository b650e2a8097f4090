"""A circuit breaker for calls, sans-IO: a server that fails again and again is left alone for a while, then tried."""

from __future__ import annotations

import math

TRIAL_SECONDS = 1.0
"""When to ask again while a trial is under way."""


class Breaker:
    """So many failures in a row open it for so many seconds; then one call is a trial, whose fate decides.

    Whoever is admitted tells how they fared. Times are in seconds, of any one clock.
    """

    def __init__(self, *, failures: int, seconds: float) -> None:
        self._limit = failures
        self._seconds = seconds
        self._failures = 0
        self._last = -math.inf  # when the last failure was
        self._until = -math.inf  # nobody is admitted before
        self._trial = False  # one is under way

    @property
    def open(self) -> bool:
        """Whether it waits for a trial to succeed."""
        return self._failures >= self._limit

    def admit(self, now: float) -> float:
        """0 admits a call; else so many seconds are left until it is worth asking again."""
        if not self.open:
            return 0.0
        if now < self._until:
            return self._until - now
        if self._trial:
            return TRIAL_SECONDS
        self._trial = True
        return 0.0

    def succeed(self) -> None:
        """The server answered."""
        self._failures = 0
        self._trial = False

    def fail(self, began: float, now: float) -> None:
        """A call that began then failed now. Calls that break together, as when a server restarts, count as one."""
        if began < self._last:
            return
        self._failures += 1
        self._last = now
        self._until = now + self._seconds
        self._trial = False

    def drop(self) -> None:
        """Nothing was learnt: another may try in its place."""
        self._trial = False

    def hint(self) -> None:
        """The server is connected anew, so a trial need not wait."""
        self._until = -math.inf
