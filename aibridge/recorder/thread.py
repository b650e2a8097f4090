"""A thread for work that would hold up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class OneThread:
    """Does one job after another. An executor would do so too, and takes three times as long to hand a job over."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        Thread(target=self._work, name=name, daemon=True).start()

    def do(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """What comes of the job, once it and all before it are done. Giving up the wait does not take it back."""
        result: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((job, result))
        return result

    def stop(self) -> None:
        """Ends the thread once all jobs are done."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (entry := self._jobs.get()) is not None:
            job, result = entry
            try:
                value = job()
            except BaseException as error:  # noqa: BLE001  it goes to whoever asked for the job
                self._tell(result, result.set_exception, error)
            else:
                self._tell(result, result.set_result, value)

    def _tell(self, result: asyncio.Future[Any], settle: Callable[[Any], None], value: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: who had asked was not to be kept any longer
            self._loop.call_soon_threadsafe(_settle, result, settle, value)


def _settle(result: asyncio.Future[Any], settle: Callable[[Any], None], value: object) -> None:
    if not result.done():  # or nobody waits any more
        settle(value)
