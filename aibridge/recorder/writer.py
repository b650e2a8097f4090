"""What gathers on the event loop, and the thread that writes whatever has gathered to the spool.

While one group is being written the next one gathers, so that many entries share one wait for the disk. A start, which
a request waits for, is written at once with all that came before it; what nobody waits for lingers a little.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from aibridge.errors import Unavailable
from aibridge.recorder.admission import Admission, Policy, Start, Waiter, given_up, release
from aibridge.recorder.losses import Losses
from aibridge.recorder.rows import Entry, Kind, Row, given_up_row, owner
from aibridge.recorder.spool import Segment, Spool
from aibridge.recorder.thread import OneThread

logger = logging.getLogger(__name__)

LINGER_SECONDS = 0.05
"""How long an entry that nobody waits for may stay in memory to share a write with others."""

REST_SECONDS = 0.005
"""How long it is between two writes that several requests wait for: each write costs about the same, so under load more
of them shall share one. A request that is alone waits for nothing but the disk."""

_ENOUGH = 500
"""So many entries are written without lingering."""

_BACKOFF_SECONDS = (0.05, 1.0)
"""The first pause after a failed write, doubled each time, and the longest."""


class Writer:
    """Makes entries durable in the order they came, each once, and goes on trying while the disk fails.

    An interception is recorded whole or not at all: where nothing more can be kept, the policy is for new ones, and
    what belongs to those under way is still taken. Begins at once; `close` ends it.
    """

    def __init__(
        self,
        spool: Spool,
        losses: Losses,
        *,
        size: int,
        max_bytes: int,
        policy: Policy,
        start_seconds: float,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._spool = spool
        self._losses = losses
        self._size = size
        self._max_bytes = max_bytes
        self._admission = Admission(policy, losses)
        self._start_seconds = start_seconds
        self._now = now
        self._sleep = sleep
        self._loop = asyncio.get_running_loop()
        self._gathered: list[Entry] = []
        self._starts: list[Start] = []
        self._writing: list[Entry] = []
        self._begun: list[Start] = []
        self._arrived = asyncio.Event()
        self._progress = asyncio.Event()
        self._linger: asyncio.TimerHandle | None = None
        self._trouble: str | None = None
        self._refusing = False
        self._closed = False
        self.spooled = asyncio.Event()
        """Set with each write: there is something for the database."""
        self._thread = OneThread("aibridge-spool")
        self._task = asyncio.create_task(self._run(), name="aibridge-spool")

    @property
    def depth(self) -> int:
        """How many entries are not yet durable."""
        return len(self._gathered) + len(self._writing)

    @property
    def crowded(self) -> bool:
        """Whether too many entries are in memory."""
        return self.depth >= self._size and not self._closed

    @property
    def trouble(self) -> str | None:
        """Why new interceptions cannot be recorded, if so."""
        if self._closed or self._task.done():
            return "the recorder is closed"
        if self._trouble is not None:
            return f"the spool {self._spool.directory} cannot be written ({self._trouble})"
        if self._spool.bytes >= self._max_bytes:
            return f"the spool {self._spool.directory} is full (recorder.spool_max_bytes: {self._max_bytes})"
        return None

    @property
    def accepting(self) -> bool:
        """Whether new interceptions are let in, recorded or not."""
        return self.trouble is None or (self._admission.lossy and not self._closed)

    def begin(self, start: Row) -> Waiter:
        """Takes a start. The result comes once it is durable.

        Raises Unavailable, at once or as the result, where it cannot be made so and must be. A caller who leaves
        cancels the result; the row is then left out, or ended by `abandon` where it is too late for that.
        """
        if self._closed:
            raise Unavailable("the recorder is closed")
        waiter: Waiter = self._loop.create_future()
        if self._refusing or self._spool.bytes >= self._max_bytes:
            self._turn_away((start, waiter))
            return waiter
        self._gathered.append((Kind.INTERCEPTION, start))
        self._starts.append((start, waiter))
        self._arrived.set()
        return waiter

    async def put(self, kind: Kind, row: Row) -> None:
        """Takes an entry; waits while too many are in memory, or drops it if that is the policy."""
        while self.crowded:
            self._arrived.set()
            if self._trouble is not None and self._admission.lossy:
                self._losses.add(1, self._trouble)
                return
            await self._progress.wait()
        self.put_now(kind, row)

    def put_now(self, kind: Kind, row: Row) -> None:
        """Takes an entry, whether or not there is room. Raises Unavailable once the writer is closed."""
        if self._closed:
            raise Unavailable("the recorder is closed")
        entry = (kind, row)
        if self._admission.excludes(entry):
            return
        self._gathered.append(entry)
        if len(self._gathered) >= _ENOUGH:
            self._arrived.set()
        elif self._linger is None:
            self._linger = self._loop.call_later(LINGER_SECONDS, self._fall_due)

    def abandon(self, start: Row) -> None:
        """Ends an interception whose start became durable when nobody waited for it any more."""
        self.put_now(Kind.END, given_up_row(start, self._now()))

    async def flush(self) -> None:
        """Returns once nothing waits in memory."""
        while self.depth:
            self._arrived.set()
            await self._progress.wait()

    async def fresh(self) -> list[Segment]:
        """What the database shall take in, each byte given out once."""
        return await self._thread.do(self._spool.fresh)

    async def seal(self) -> list[Segment]:
        """The same, and no file is left open that holds anything."""
        return await self._thread.do(self._spool.seal)

    async def close(self) -> None:
        """Takes no more. What could not be written by now is lost, and told of."""
        self._closed = True
        self._pulse()
        self._task.cancel()
        await asyncio.wait([self._task])
        if self.depth:
            self._losses.add(self.depth, self._trouble or "the disk is too slow")
        self._losses.close()
        await asyncio.wait([self._thread.do(self._spool.close)], timeout=self._start_seconds)
        self._thread.stop()

    def _fall_due(self) -> None:
        self._linger = None
        self._arrived.set()

    async def _run(self) -> None:
        pause, longest = _BACKOFF_SECONDS
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            self._take()
            crowded = len(self._begun) > 1
            if await self._write():
                pause = _BACKOFF_SECONDS[0]
                if crowded:
                    await asyncio.sleep(REST_SECONDS)
                continue
            await self._sleep(pause)
            pause = min(pause * 2, longest)
            self._refusing = False
            self._arrived.set()  # even with nothing to write: it tells whether the disk is well again

    def _take(self) -> None:
        self._writing, self._gathered = self._gathered, []
        self._begun, self._starts = self._starts, []
        if any(given_up(waiter) for _, waiter in self._begun):
            self._leave_out([start for start in self._begun if given_up(start[1])])

    def _leave_out(self, starts: list[Start]) -> None:
        """Takes starts, and what came with them, out of the group."""
        ids = {str(row[0]) for row, _ in starts}
        self._writing = [entry for entry in self._writing if owner(entry) not in ids]
        self._begun = [start for start in self._begun if str(start[0][0]) not in ids]

    async def _write(self) -> bool:
        """Writes the group; whether that went well. If not, starts are turned away and the rest is kept."""
        if not self._writing and self._trouble is None:
            self._pulse()
            return True
        watch = self._loop.call_later(self._start_seconds, self._give_up)
        try:
            dropped = await self._thread.do(partial(self._spool.append, self._writing))
        except Exception as error:  # noqa: BLE001  whatever the trouble is, records are kept until it is over
            self._failed(str(error.strerror) if isinstance(error, OSError) else type(error).__name__)
            return False
        finally:
            watch.cancel()
        self._succeeded(dropped)
        return True

    def _succeeded(self, dropped: list[Row]) -> None:
        if self._trouble is not None:
            self._trouble, self._refusing = None, False
            logger.warning("the spool takes records again")
        starts, self._begun, self._writing = self._begun, [], []
        self.spooled.set()
        self._tell(starts, dropped)
        self._pulse()

    def _tell(self, starts: list[Start], dropped: list[Row]) -> None:
        """Wakes those who wait for a start."""
        for row, waiter in starts:
            if dropped and row in dropped:
                dropped.remove(row)
                self._admission.turn_away((row, waiter), "the start of the interception cannot be stored")
            elif given_up(waiter):
                self.abandon(row)
            else:
                release(waiter)
        if dropped:
            self._losses.add(len(dropped), "they cannot be stored")

    def _failed(self, reason: str) -> None:
        self._trouble_is(reason)
        starts = self._begun
        self._leave_out(starts)
        self._gathered[:0] = self._writing
        self._writing = []
        for start in starts:
            self._turn_away(start)
        self._pulse()

    def _give_up(self) -> None:
        """The disk does not answer: nobody waits for it any longer."""
        self._trouble_is(f"no answer within {self._start_seconds:g} s")
        for start in (*self._begun, *self._starts):
            if self._admission.lossy:
                release(start[1])  # it is still going to be written, if the disk comes back
            else:
                self._turn_away(start)

    def _trouble_is(self, reason: str) -> None:
        if self._trouble is None:
            logger.error(
                "the spool %s cannot be written (%s): %d records wait", self._spool.directory, reason, self.depth
            )
        self._trouble, self._refusing = reason, True

    def _turn_away(self, start: Start) -> None:
        self._admission.turn_away(start, self.trouble or "no records can be taken")

    def _pulse(self) -> None:
        """Lets those who wait for room, or for the end of the queue, look again."""
        self._progress.set()
        self._progress.clear()
