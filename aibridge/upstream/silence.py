"""The guard against a peer that falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Silence:
    """Calls `broken` once a single wait has lasted `limit` seconds; call `begin` and `end` around each wait.

    Only waiting counts: a slow reader is not the peer's silence. There is one timer, armed by the first wait and
    looked after only when it fires, so that a piece of a stream costs one look at the clock.
    """

    __slots__ = ("_broken", "_limit", "_loop", "_since", "_timer")

    def __init__(self, limit: float, broken: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._broken = broken
        self._since: float | None = None  # the loop's time at which the present wait began
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self._since = self._loop.time()
        if self._timer is None:
            self._arm(self._since + self._limit)

    def end(self) -> None:
        self._since = None

    def stop(self) -> None:
        """For good: lets go of the timer and of who would be told, or the two of them would wait for the collector."""
        self._broken = _nobody
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, when: float) -> None:
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return  # nobody waits; the next wait arms it again
        deadline = self._since + self._limit
        if self._loop.time() < deadline:
            self._arm(deadline)
        else:
            self._broken()


def _nobody() -> None:
    """Whom a guard tells that has been stopped."""
