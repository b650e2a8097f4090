"""The clock of one interception: when it came, how long it waited for others, when its first token went out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter

from aibridge.model import Head, Relay
from aibridge.ports import Send

Clock = Callable[[], float]
"""Seconds that only grow."""


class Watch:
    """Runs from the request's arrival. It is handed from wrapper to wrapper in `current`."""

    __slots__ = ("_answered", "clock", "facts", "first_token", "started", "waited")

    def __init__(self, interception_id: str, clock: Clock = perf_counter) -> None:
        self.facts = {"interception_id": interception_id}
        """What every log entry of this interception bears."""
        self.clock = clock
        self.started = clock()
        self.waited = 0.0
        """Seconds spent waiting for the provider, for tools and for a slow client."""
        self.first_token: float | None = None
        """Seconds from the start to the first bytes behind a successful head."""
        self._answered = False

    @property
    def elapsed(self) -> float:
        """Seconds since the request came."""
        return self.clock() - self.started

    @property
    def own(self) -> float:
        """Seconds of that which are the gateway's own."""
        return max(0.0, self.elapsed - self.waited)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The time spent in here is spent waiting for somebody else."""
        began = self.clock()
        try:
            yield
        finally:
            self.waited += self.clock() - began

    def sending(self, send: Send) -> Send:
        """The same way to the client, under this clock."""

        async def timed(output: Head | Relay) -> None:
            began = self.clock()
            if isinstance(output, Head):
                self._answered = 200 <= output.status < 300
            elif self._answered and self.first_token is None:
                self.first_token = began - self.started
            try:
                await send(output)
            finally:
                self.waited += self.clock() - began

        return timed


current: ContextVar[Watch | None] = ContextVar("aibridge_watch", default=None)
"""The watch of the interception that this task works for."""


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Makes the watch current in here, and in the tasks made in here."""
    token = current.set(watch)
    try:
        yield watch
    finally:
        current.reset(token)
