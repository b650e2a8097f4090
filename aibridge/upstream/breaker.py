"""A circuit breaker, sans-IO: who fails too often is left alone for a while, then tried with a few requests."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

State = Literal["closed", "half_open", "open"]

_TRIAL_SECONDS: Final = 1.0  # when to ask again while trials are under way


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """So many failures within `interval` seconds open it for `open` seconds; so many trials must then succeed."""

    failure_threshold: int = 5
    interval: float = 10.0
    open: float = 30.0
    half_open_requests: int = 3


class Breaker:
    """Closed: all may pass. Open: nobody may. Half open: a few may, and their fate decides.

    Whoever passes has a permit, and tells with it how they fared. A permit from before the last change of state says
    nothing of now, and is ignored. Times are in seconds, of any one clock.
    """

    def __init__(self, settings: BreakerSettings) -> None:
        self.state: State = "closed"
        self.relapsed = False  # open for the failure of a trial
        self._settings = settings
        self._failures: deque[float] = deque(maxlen=settings.failure_threshold)
        self._period = 0  # the number of changes of state
        self._until = 0.0
        self._trials = 0  # those under way, and those that succeeded
        self._successes = 0

    def admit(self, now: float) -> int | None:
        """A permit, or None for whoever may not pass."""
        if self.wait(now) > 0:
            return None
        if self.state == "open":
            self._become("half_open")
        if self.state == "half_open":
            self._trials += 1
        return self._period

    def wait(self, now: float) -> float:
        """Seconds until it is worth asking again; 0: one may pass now."""
        if self.state == "open":
            return max(0.0, self._until - now)
        full = self.state == "half_open" and self._trials >= self._settings.half_open_requests
        return _TRIAL_SECONDS if full else 0.0

    def succeed(self, permit: int) -> None:
        """The provider answered."""
        if permit == self._period and self.state == "half_open":
            self._successes += 1
            if self._successes >= self._settings.half_open_requests:
                self._become("closed")

    def fail(self, permit: int, now: float) -> None:
        """The provider was out of order."""
        if permit != self._period:
            return
        self._failures.append(now)
        if self.state == "half_open" or self._too_often(now):
            self.relapsed = self.state == "half_open"
            self._until = now + self._settings.open
            self._become("open")

    def drop(self, permit: int) -> None:
        """Nothing was learnt: another may try in its place."""
        if permit == self._period and self.state == "half_open":
            self._trials -= 1

    def idle(self, now: float) -> bool:
        """Whether it is as good as new."""
        recent = self._failures and now - self._failures[-1] <= self._settings.interval
        return self.state == "closed" and not recent

    def _too_often(self, now: float) -> bool:
        failures = self._failures
        return len(failures) == failures.maxlen and now - failures[0] <= self._settings.interval

    def _become(self, state: State) -> None:
        self.state = state
        self._period += 1
        self._trials = self._successes = 0
        if state == "closed":
            self._failures.clear()
