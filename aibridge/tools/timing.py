"""How long things may take, and how long to wait before trying again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio


@dataclass(frozen=True, slots=True)
class Timing:
    """A connection's limits in seconds, and the clocks they are measured by."""

    connect: float = 10.0  # handshake and first list of tools
    start: float = 30.0  # the same for a command, which may have to install itself first
    refresh: float = 10.0  # another list of tools
    close: float = 3.0  # for the server to be told that we leave
    first_pause: float = 0.5  # before connecting again; doubles with each failure …
    longest_pause: float = 30.0  # … up to this
    failures: int = 5  # of calls in a row, after which a server is left alone …
    cool_down: float = 30.0  # … for so long
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random


async def pause(seconds: float, sleep: Callable[[float], Awaitable[None]], unless: asyncio.Event) -> None:
    """Waits so long, or until the event is set."""

    async def interrupted() -> None:
        await unless.wait()
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(interrupted)
        await sleep(seconds)
        tasks.cancel_scope.cancel()


class Pauses:
    """Growing pauses: each doubles the one before, and is shortened by up to half so that not all come back at once."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._next = timing.first_pause

    def next(self) -> float:
        """Seconds to wait now."""
        pause, self._next = self._next, min(2 * self._next, self._timing.longest_pause)
        return pause * (1 - self._timing.random() / 2)

    def reset(self) -> None:
        """Begins anew, after all went well for a while."""
        self._next = self._timing.first_pause
