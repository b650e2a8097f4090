"""What becomes of interceptions that cannot be recorded: refused, or let go on unrecorded and counted."""

from __future__ import annotations

import asyncio
from typing import Literal

from aibridge.errors import Unavailable
from aibridge.recorder.losses import Losses
from aibridge.recorder.rows import Entry, Kind, Row, owner

Policy = Literal["refuse", "drop_and_count"]
Waiter = asyncio.Future[None]
Start = tuple[Row, Waiter]
"""A start, and who waits for it to be durable."""


class Admission:
    """Applies the policy. An interception is recorded wholly or not at all: what has no start has no records."""

    def __init__(self, policy: Policy, losses: Losses) -> None:
        self.lossy = policy == "drop_and_count"
        """Whether traffic goes on without records."""
        self._losses = losses
        self._unrecorded: set[str] = set()

    def turn_away(self, start: Start, reason: str) -> None:
        """Refuses an interception, or lets it go on unrecorded."""
        row, waiter = start
        if not self.lossy:
            if not waiter.done():
                waiter.set_exception(Unavailable(f"{reason}; try again later"))
            return
        self._losses.add(1, reason)
        self._unrecorded.add(str(row[0]))
        release(waiter)

    def excludes(self, entry: Entry) -> bool:
        """Whether an entry belongs to an interception that goes unrecorded; if so, it is counted."""
        if not self._unrecorded or (name := owner(entry)) not in self._unrecorded:
            return False
        self._losses.add(1, "their interception is not recorded")
        if entry[0] == Kind.END:
            self._unrecorded.discard(name)
        return True


def release(waiter: Waiter) -> None:
    """Lets go on who waits, if they still do."""
    if not waiter.done():
        waiter.set_result(None)


def given_up(waiter: Waiter) -> bool:
    """Whether nobody waits any more: the caller left, or was refused."""
    return waiter.done() and (waiter.cancelled() or waiter.exception() is not None)
