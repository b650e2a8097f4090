"""What brings the spool's records into the database, again and again, however long the database is away."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from aibridge.pricing import Price, no_price
from aibridge.recorder.intake import Intake
from aibridge.recorder.losses import Losses
from aibridge.recorder.spool import Segment, Spool
from aibridge.recorder.thread import OneThread
from aibridge.recorder.writer import Writer
from aibridge.store.engine import reason_of

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.2
"""From a record in the spool to its way into the database: the longer, the more share one commit."""

_QUIET_SECONDS = 10.0
"""After so long without a record the open file is sealed and goes."""

_BACKOFF_SECONDS = (0.05, 1.0)
"""The first pause after a failed attempt, doubled each time, and the longest."""

_SILENCE_SECONDS = 5.0
"""A database that has not answered for so long is in trouble, whether or not it says so one day."""

_CLOSING_SECONDS = 2.0
"""How long the end waits for the transaction under way: no attempt waits for a lock that long."""

T = TypeVar("T")


class Drain:
    """Takes in whatever the writer has written. Begins at once; `close` ends it."""

    def __init__(
        self,
        engine: Engine,
        spool: Spool,
        writer: Writer,
        losses: Losses,
        *,
        price: Price = no_price,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        loop = asyncio.get_running_loop()
        why = "the database cannot take them"
        self._intake = Intake(engine, lambda count: loop.call_soon_threadsafe(losses.add, count, why), price)
        self._engine = engine
        self._spool = spool
        self._writer = writer
        self._sleep = sleep
        self._segments: deque[Segment] = deque()
        self._turn = asyncio.Lock()
        self.trouble: str | None = None
        """Why the database takes no records, if so."""
        self._thread = OneThread("aibridge-database")
        self._task = asyncio.create_task(self._run(), name="aibridge-drain")

    async def flush(self) -> None:
        """Returns once all that is in the spool is in the database, and no file of ours holds it any longer."""
        await self._take(self._writer.seal)

    async def _take(self, parts: Callable[[], Awaitable[list[Segment]]]) -> None:
        async with self._turn:
            self._segments.extend(await parts())
            while self._segments:
                await self._take_in(self._segments[0])
                self._spool.free(self._segments.popleft())

    async def run(self, job: Callable[[Connection], T]) -> T:
        """Runs a job in a transaction of its own. Raises what it raises, and tries it once."""
        return await self._attempt(partial(self._transact, job))

    async def recover(self, segment: Segment) -> None:
        """Takes in a file that a dead process left. Raises DBAPIError, and tries it once."""
        await self._attempt(partial(self._intake.take_in, segment))

    async def close(self) -> None:
        """Stops, once the transaction under way is over. A database that does not answer is not waited for."""
        self._task.cancel()
        await asyncio.wait([self._task])
        await asyncio.wait([self._thread.do(self._engine.dispose)], timeout=_CLOSING_SECONDS)
        self._thread.stop()

    def _transact(self, job: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return job(connection)

    async def _run(self) -> None:
        idle = False
        while True:
            try:
                async with asyncio.timeout(None if idle else _QUIET_SECONDS):
                    await self._writer.spooled.wait()
            except TimeoutError:
                idle = True
                await self.flush()
                continue
            idle = False
            self._writer.spooled.clear()
            await asyncio.sleep(INTERVAL_SECONDS)
            await self._take(self._writer.fresh)

    async def _take_in(self, segment: Segment) -> None:
        pause, longest = _BACKOFF_SECONDS
        while True:
            try:
                await self._attempt(partial(self._intake.take_in, segment))
            except Exception:  # noqa: BLE001  whatever the trouble is, the spool keeps the records until it is over
                await self._sleep(pause)
                pause = min(pause * 2, longest)
            else:
                return

    async def _attempt(self, job: Callable[[], T]) -> T:
        """Runs it on the database's thread, and takes note of how that went."""
        silence = f"no answer within {_SILENCE_SECONDS:g} s"
        watch = asyncio.get_running_loop().call_later(_SILENCE_SECONDS, self._trouble_is, silence)
        try:
            result = await self._thread.do(job)
        except Exception as error:
            self._trouble_is(reason_of(error) if isinstance(error, DBAPIError) else type(error).__name__)
            raise
        finally:
            watch.cancel()
        if self.trouble is not None:
            self.trouble = None
            logger.warning("the database takes records again")
        return result

    def _trouble_is(self, reason: str) -> None:
        if self.trouble is None:
            logger.error("the database takes no records (%s): they wait in %s", reason, self._spool.directory)
        self.trouble = reason
