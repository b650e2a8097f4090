"""The recorder: what the gateway tells it becomes rows, and the rows become durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from aibridge.model import Interception, Outcome, Record
from aibridge.recorder.drain import Drain
from aibridge.recorder.rows import Kind, Prompts, end_row, interception_row, link_row, record_row
from aibridge.recorder.spool import Spool
from aibridge.recorder.writer import Writer
from aibridge.store.clock import utc_now


class Recorder:
    """Implements `ports.Recorder` for the process that the database knows by instance_id."""

    def __init__(
        self,
        writer: Writer,
        drain: Drain,
        spool: Spool,
        *,
        prompts: Prompts = "full",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._writer = writer
        self._drain = drain
        self._spool = spool
        self._prompts = prompts
        self._now = now

    async def start(self, interception: Interception) -> None:
        """Returns once the start is durable. Raises Unavailable where it can't be, and must be."""
        row = interception_row(interception, self._spool.instance_id)
        waiter = self._writer.begin(row)
        self._link(interception)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.exception() is None:
                self._writer.abandon(row)  # it became durable in the very moment that the caller left
            raise

    async def record(self, interception: Interception, record: Record) -> None:
        """Takes one record; waits while too many are in memory."""
        kind, row = record_row(interception, record, self._prompts, self._now())
        if self._writer.crowded:
            await self._writer.put(kind, row)
        else:
            self._writer.put_now(kind, row)

    async def finish(self, interception: Interception, outcome: Outcome) -> None:
        """Takes the end at once, room or not: there are no more ends than interceptions under way."""
        self._link(interception)
        self._writer.put_now(Kind.END, end_row(interception.id, outcome, self._now(), self._prompts))

    async def flush(self) -> None:
        """Returns once all that was taken is in the database."""
        await self._writer.flush()
        await self._drain.flush()

    def healthy(self) -> bool:
        """Whether interceptions can begin. They can without the database, as long as the spool takes them."""
        return self._writer.accepting

    def report(self) -> str:
        """How it is, in words."""
        if self._writer.trouble is not None:
            return f"not recording: {self._writer.trouble}"
        if self._drain.trouble is not None:
            waiting = f"{self.spooled} records wait in {self._spool.directory}"
            return f"degraded: the database takes no records ({self._drain.trouble}); {waiting}"
        return "ok"

    @property
    def queue_depth(self) -> int:
        """How many rows are not yet durable."""
        return self._writer.depth

    @property
    def spooled(self) -> int:
        """How many rows are durable, and not yet in the database."""
        return self._spool.rows

    def _link(self, interception: Interception) -> None:
        """At the start, so that a thread shows while it runs; at the end, should the parent's call have come later."""
        if interception.correlating_tool_call_id is not None:
            self._writer.put_now(Kind.LINK, link_row(interception))
