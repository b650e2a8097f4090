"""The clock of one interception: when it came, how long it waited for others, when its first token went out."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from time import perf_counter
from typing import Self

Clock = Callable[[], float]
"""Seconds that only grow."""


class Watch:
    """Runs from the request's arrival. Entered, it is `current` in there, and in the tasks made in there."""

    __slots__ = ("_token", "clock", "facts", "first_token", "round", "started", "waited")

    def __init__(self, interception_id: str, clock: Clock = perf_counter) -> None:
        self.facts = {"interception_id": interception_id}
        """What every log entry of this interception bears."""
        self.clock = clock
        self.started = clock()
        self.waited = 0.0
        """Seconds spent waiting for the provider and for tools."""
        self.round: float | None = None
        """Seconds that the last round took."""
        self.first_token: float | None = None
        """Seconds from the start to the first bytes behind a successful head."""

    def __enter__(self) -> Self:
        self._token: Token[Watch | None] = current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        current.reset(self._token)

    @property
    def elapsed(self) -> float:
        """Seconds since the request came."""
        return self.clock() - self.started

    @property
    def own(self) -> float:
        """Seconds of that which are the gateway's own."""
        return max(0.0, self.elapsed - self.waited)

    def waiting(self) -> Waiting:
        """The time spent in there is spent waiting for somebody else."""
        return Waiting(self)

    def answering(self) -> None:
        """The first bytes of an answer go out now, behind a successful head."""
        self.first_token = self.elapsed


class Waiting:
    """Surrounds a wait for somebody else."""

    __slots__ = ("_began", "_watch")

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __enter__(self) -> None:
        self._began = self._watch.clock()

    def __exit__(self, *_: object) -> None:
        self._watch.waited += self._watch.clock() - self._began


current: ContextVar[Watch | None] = ContextVar("aibridge_watch", default=None)
"""The watch of the interception that this task works for: handed from wrapper to wrapper."""


def interception_id() -> str | None:
    """The interception that this task works for; None where it works for none."""
    watch = current.get()
    return None if watch is None else watch.facts["interception_id"]
