"""A limit on how long a task may take: `asyncio.timeout` at a third of its price, which every request pays twice.

The library's own asks for the running loop three times, and Python before 3.12 each time asks the system in which
process it is.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, cast


class Deadline:
    """Cancels the task that is in its block after so many seconds; out of the block that comes as TimeoutError."""

    __slots__ = ("_before", "_passed", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._passed = False

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._task = cast(asyncio.Task[object], asyncio.current_task(loop))
        self._before = self._task.cancelling()
        self._timer = loop.call_later(self._seconds, self._pass)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        # Somebody else may have cancelled it at the same time: then that is what comes out.
        if self._passed and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def lift(self) -> None:
        """Lets the block take as long as it likes from now on."""
        self._timer.cancel()

    def _pass(self) -> None:
        self._passed = True
        self._task.cancel()
