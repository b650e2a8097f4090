"""The table for coroutines: nobody waits for long, nothing is raised, and trouble is told once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import final

from aibridge.recall.outage import Outage
from aibridge.recall.turns import Kept, Place, Turns

_READERS = 4
"""Threads that look turns up. One thread alone writes: a database takes one writer at a time anyway."""


@final
class Database:
    """Begins at once; `close` ends it. While one batch of turns is being written the next one gathers."""

    def __init__(self, turns: Turns, *, wait_seconds: float) -> None:
        self._turns = turns
        self._wait_seconds = wait_seconds
        self._reading = Outage(
            "hidden turns cannot be looked up: only those in memory are found", "hidden turns can be looked up again"
        )
        self._writing = Outage(
            "hidden turns cannot be stored: this process alone remembers them", "hidden turns are stored again"
        )
        self._readers = ThreadPoolExecutor(_READERS, "aibridge-recall-reader")
        self._free_readers = asyncio.Semaphore(_READERS)
        self._writer = ThreadPoolExecutor(1, "aibridge-recall-writer")
        self._waiting: dict[asyncio.Future[None], Mapping[Place, Kept]] = {}
        self._arrived = asyncio.Event()
        self._task = asyncio.create_task(self._write_all(), name="aibridge-recall-writer")

    async def find(self, actor: str, provider: str, digests: Sequence[str]) -> dict[Place, Kept] | None:
        """The turns that are there; None where that cannot be told."""
        with self._reading:
            async with asyncio.timeout(self._wait_seconds):
                return await self._read(actor, provider, digests)
        return None

    async def keep(self, turns: Mapping[Place, Kept]) -> None:
        """Returns once other processes can find them, or there is trouble."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = turns
        self._arrived.set()
        try:
            with self._writing:
                async with asyncio.timeout(self._wait_seconds):
                    await waiter
        finally:
            self._waiting.pop(waiter, None)

    async def sweep(self) -> int:
        """Deletes a batch of what has expired, and says how many rows."""
        with self._writing:
            return await asyncio.get_running_loop().run_in_executor(self._writer, self._turns.sweep)
        return 0

    async def close(self) -> None:
        """Lets the threads finish what they are at, as long as anybody would wait for it, and ends them."""
        self._task.cancel()
        await asyncio.wait([self._task])
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wait_seconds):
                for _ in range(_READERS):
                    await self._free_readers.acquire()
                await asyncio.get_running_loop().run_in_executor(self._writer, self._turns.close)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._writer.shutdown(wait=False, cancel_futures=True)

    async def _read(self, actor: str, provider: str, digests: Sequence[str]) -> dict[Place, Kept]:
        await self._free_readers.acquire()
        work = partial(self._turns.find, actor, provider, digests)
        reading = asyncio.get_running_loop().run_in_executor(self._readers, work)
        # Not when the caller has had enough, but when the thread has: no more can be under way than there are threads.
        reading.add_done_callback(lambda _: self._free_readers.release())
        return await asyncio.shield(reading)

    async def _write_all(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch, self._waiting = self._waiting, {}
            turns = {place: kept for one in batch.values() for place, kept in one.items()}
            if turns:
                _tell(batch, await self._write(turns))

    async def _write(self, turns: Mapping[Place, Kept]) -> Exception | None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._turns.keep, turns)
        except Exception as error:  # noqa: BLE001  it is those who wait that it is told to
            return error
        return None


def _tell(batch: Mapping[asyncio.Future[None], object], error: Exception | None) -> None:
    for waiter in batch:
        if waiter.done():
            continue  # it had enough of waiting
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
