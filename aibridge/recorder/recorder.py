"""The recorder: what the gateway tells it becomes rows, and the rows become durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from aibridge.errors import Unavailable
from aibridge.model import Interception, Outcome, Record
from aibridge.recorder.batch import Waiter
from aibridge.recorder.rows import Kind, Prompts, end_row, interception_row, link_row, record_row
from aibridge.recorder.writer import Writer


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Recorder:
    """Implements `ports.Recorder` for the process that the database knows by instance_id."""

    def __init__(
        self,
        writer: Writer,
        instance_id: str,
        *,
        prompts: Prompts = "full",
        start_seconds: float = 5.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._writer = writer
        self._instance_id = instance_id
        self._prompts = prompts
        self._start_seconds = start_seconds
        self._now = now

    async def start(self, interception: Interception) -> None:
        """Returns once the start is durable. Raises Unavailable where it can't be, or not within start_seconds."""
        loop = asyncio.get_running_loop()
        waiter: Waiter = loop.create_future()
        timer = loop.call_later(self._start_seconds, self._refuse, waiter)
        row = interception_row(interception, self._instance_id)
        try:
            self._writer.put_now(Kind.INTERCEPTION, row, waiter)
            self._link(interception)
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.exception() is None:
                self._writer.abandon(row)  # it became durable in the very moment that the caller left
            raise
        finally:
            timer.cancel()

    async def record(self, interception: Interception, record: Record) -> None:
        """Takes one record; waits while the queue is full."""
        await self._writer.put(*record_row(interception.id, record, self._prompts, self._now()))

    async def finish(self, interception: Interception, outcome: Outcome) -> None:
        """Takes the end at once, full queue or not: there are no more ends than interceptions under way."""
        self._link(interception)
        self._writer.put_now(Kind.END, end_row(interception.id, outcome, self._now(), self._prompts))

    async def flush(self) -> None:
        """Returns once all that was taken is durable."""
        await self._writer.flush()

    def healthy(self) -> bool:
        """Whether the last write, or heartbeat, succeeded."""
        return self._writer.healthy()

    @property
    def queue_depth(self) -> int:
        """How many rows are not yet durable."""
        return self._writer.depth

    def _link(self, interception: Interception) -> None:
        """At the start, so that a thread shows while it runs; at the end, should the parent's call have come later."""
        if interception.correlating_tool_call_id is not None:
            self._writer.put_now(Kind.LINK, link_row(interception))

    def _refuse(self, waiter: Waiter) -> None:
        if not waiter.done():
            limit = f"{self._start_seconds:g} s"
            waiter.set_exception(Unavailable(f"the request could not be recorded within {limit}; try again later"))
