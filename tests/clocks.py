"""The event loop's time and turns, as a test has them go."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self
from unittest import mock


class LoopClock:
    """Within its block the event loop's time stands, and moves when it is told to."""

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._now = loop.time()
        self._patch = mock.patch.object(loop, "time", self._time)
        self._patch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._patch.stop()

    def _time(self) -> float:
        return self._now

    async def go(self, seconds: float) -> None:
        """Moves it, and lets all that was due happen."""
        self._now += seconds
        await settled()


async def settled() -> None:
    """Lets everything happen that waits for nothing but its turn."""
    await steps(20)


async def steps(count: int) -> None:
    """Lets the loop turn so often."""
    for _ in range(count):
        await asyncio.sleep(0)
