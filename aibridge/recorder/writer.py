"""The one writer of this process: a bounded queue, and a thread that commits whatever has gathered in it.

While one batch is being committed the next one gathers, so that many entries share one wait for the disk. A start,
which a request waits for, goes in a small batch of its own; what nobody waits for gathers a little longer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from aibridge.errors import Unavailable
from aibridge.recorder.batch import Batch, Entry, Waiter
from aibridge.recorder.rows import Kind, Row, given_up_row
from aibridge.recorder.thread import OneThread
from aibridge.store.engine import reason_of

logger = logging.getLogger(__name__)

LINGER_SECONDS = 0.05
"""How long an entry that nobody waits for may stay to share a commit with others."""

REST_SECONDS = 0.002
"""How long it is between two commits: each costs about the same, so under load more entries shall share one."""

_ENOUGH = 500
"""So many entries are written without lingering."""

_SOON = frozenset({Kind.INTERCEPTION, Kind.TOOL, Kind.LINK})
"""What goes with the next start: a start may follow from a tool's call, and is then linked to it at once."""

_BACKOFF_SECONDS = (0.05, 1.0)
"""The first pause after a failed write, doubled each time, and the longest."""

T = TypeVar("T")


class Writer:
    """Writes entries in the order they came, each once, and goes on trying while the database fails.

    Begins at once; `close` ends it.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        size: int,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._engine = engine
        self._size = size
        self._now = now
        self._sleep = sleep
        self._batch = Batch(engine.dialect)
        self._soon: list[Entry] = []
        self._later: list[Entry] = []
        self._writing: list[Entry] = []
        self._arrived = asyncio.Event()
        self._progress = asyncio.Event()
        self._linger: asyncio.TimerHandle | None = None
        self._all_due = False
        self._trouble: str | None = None
        self._closed = False
        self._thread = OneThread("aibridge-recorder")
        self._task = asyncio.create_task(self._run(), name="aibridge-recorder")

    @property
    def depth(self) -> int:
        """How many entries are not yet durable."""
        return len(self._soon) + len(self._later) + len(self._writing)

    def healthy(self) -> bool:
        """Whether the last attempt to write succeeded."""
        return self._trouble is None and not self._task.done()

    async def put(self, kind: Kind, row: Row) -> None:
        """Takes an entry; waits while the queue is full. Raises Unavailable once the writer is closed."""
        while self.depth >= self._size and not self._closed:
            self._fall_due()
            await self._progress.wait()
        self.put_now(kind, row)

    def put_now(self, kind: Kind, row: Row, waiter: Waiter | None = None) -> None:
        """Takes an entry, whether or not there is room. Raises Unavailable once the writer is closed.

        A waiter is for a start. It gets its result once the row is durable, or Unavailable if that can never be; if it
        is done by then, the row is left out, or ended by `abandon` where it is too late for that.
        """
        if self._closed:
            raise Unavailable("the recorder is closed")
        queue = self._soon if kind in _SOON else self._later
        queue.append((kind, row, waiter))
        if waiter is not None:
            self._arrived.set()
        elif len(queue) >= _ENOUGH:
            self._fall_due()
        elif self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._fall_due)

    def abandon(self, start: Row) -> None:
        """Ends an interception whose start became durable when nobody waited for it any more."""
        self.put_now(Kind.END, given_up_row(start, self._now()))

    async def flush(self) -> None:
        """Returns once nothing waits."""
        while self.depth:
            self._fall_due()
            await self._progress.wait()

    async def run(self, job: Callable[[Connection], T]) -> T:
        """Runs a job in a transaction of its own, between two batches. Raises what it raises, and tries it once."""
        return await self._attempt(partial(self._transact, job))

    async def close(self, seconds: float, last: Callable[[Connection], object]) -> None:
        """Writes what waits, within so many seconds, then does a last job and stops."""
        try:
            async with asyncio.timeout(seconds):
                await self.flush()
                await self.run(last)
        except (TimeoutError, DBAPIError):
            logger.error("%d records are lost (%s)", self.depth, self._trouble or "the database is too slow")
        self._closed = True
        self._pulse()
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._thread.do(self._engine.dispose)
        self._thread.stop()

    def _transact(self, job: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return job(connection)

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            self._writing = self._take()
            await self._write()
            self._writing = []
            self._pulse()
            await asyncio.sleep(REST_SECONDS)

    def _fall_due(self) -> None:
        """Lets nothing linger any longer."""
        self._all_due = True
        self._arrived.set()

    def _take(self) -> list[Entry]:
        taken, self._soon = self._soon, []
        if self._all_due:
            taken += self._later
            self._later, self._all_due = [], False
            if self._linger is not None:
                self._linger.cancel()
                self._linger = None
        return taken

    async def _write(self) -> None:
        """Writes what has been taken, however long that takes."""
        pause, longest = _BACKOFF_SECONDS
        while self._writing:
            try:
                dropped = await self._attempt(partial(self._batch.write, self._engine, self._writing))
            except Exception:  # noqa: BLE001  whatever the trouble is, records are kept until it is over
                await self._sleep(pause)
                pause = min(pause * 2, longest)
                self._forget_given_up()
            else:
                self._tell(dropped)
                return

    async def _attempt(self, job: Callable[[], T]) -> T:
        """Runs it on the writer's thread, and takes note of how that went."""
        try:
            result = await self._thread.do(job)
        except Exception as error:
            self._failed(error)
            raise
        if self._trouble is not None:
            self._trouble = None
            logger.warning("the database takes records again")
        return result

    def _failed(self, error: Exception) -> None:
        reason = reason_of(error) if isinstance(error, DBAPIError) else type(error).__name__
        if self._trouble is None:
            logger.error("the database takes no records (%s): %d wait and are tried again", reason, self.depth)
        self._trouble = reason

    def _tell(self, dropped: list[Row]) -> None:
        """Wakes those who wait for an entry of the batch."""
        for _, row, waiter in self._writing:
            if waiter is None:
                continue
            if waiter.done():
                self.abandon(row)
            elif row in dropped:
                waiter.set_exception(Unavailable("the start of the interception cannot be stored"))
            else:
                waiter.set_result(None)

    def _forget_given_up(self) -> None:
        self._writing = [entry for entry in self._writing if not _given_up(entry)]
        self._soon = [entry for entry in self._soon if not _given_up(entry)]
        self._pulse()

    def _pulse(self) -> None:
        """Lets those who wait for room, or for the end of the queue, look again."""
        self._progress.set()
        self._progress.clear()


def _given_up(entry: Entry) -> bool:
    waiter = entry[2]
    return waiter is not None and waiter.done()
