"""A clock that a test moves, in place of the event loop's own."""

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
    for _ in range(20):
        await asyncio.sleep(0)
