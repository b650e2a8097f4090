"""How the recorder comes to life, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import gettempdir

from sqlalchemy.exc import DBAPIError

from aibridge.recorder.instances import HEARTBEAT_SECONDS, Instance
from aibridge.recorder.recorder import Recorder, utc_now
from aibridge.recorder.rows import Prompts
from aibridge.recorder.writer import Writer
from aibridge.store.engine import StoreError, database_path, open_engine, open_sync_engine, reason_of
from aibridge.store.migrate import migrate

_BUSY_SECONDS = 1.0
"""How long one attempt to write waits for another process; there is always another attempt."""

Sleep = Callable[[float], Awaitable[object]]


@asynccontextmanager
async def open_recorder(
    url: str,
    *,
    prompts: Prompts = "full",
    queue_size: int = 10_000,
    start_seconds: float = 5.0,
    close_seconds: float = 10.0,
    now: Callable[[], datetime] = utc_now,
    sleep: Sleep = asyncio.sleep,
) -> AsyncIterator[Recorder]:
    """A recorder on a database that has been brought up to date, with what dead processes left behind ended.

    `queue_size`: rows that may wait to be written. `start_seconds`: a start that is not durable by then is refused.
    `close_seconds`: for writing what still waits on leaving. `now`, `sleep`: the clock.
    Raises StoreError where the database cannot be used.
    """
    await _bring_up_to_date(url)
    instance = Instance(_lock_directory(url), now)
    with instance.alive():
        writer = Writer(open_sync_engine(url, busy_seconds=_BUSY_SECONDS), size=queue_size, now=now, sleep=sleep)
        try:
            await _register(writer, instance)
            heart = asyncio.create_task(_beat(writer, instance, sleep), name="aibridge-heartbeat")
            try:
                yield Recorder(writer, instance.id, prompts=prompts, start_seconds=start_seconds, now=now)
            finally:
                heart.cancel()
        finally:
            await writer.close(close_seconds, last=instance.leave)


async def _bring_up_to_date(url: str) -> None:
    engine = open_engine(url)
    try:
        await migrate(engine)
    finally:
        await engine.dispose()


def _lock_directory(url: str) -> Path:
    path = database_path(url) or Path(gettempdir(), "aibridge")
    return path.resolve().with_name(f"{path.name}-instances")


async def _register(writer: Writer, instance: Instance) -> None:
    try:
        await writer.run(instance.beat)
    except DBAPIError as error:
        raise StoreError(f"the database cannot be written: {reason_of(error)}") from error


async def _beat(writer: Writer, instance: Instance, sleep: Sleep) -> None:
    while True:
        await sleep(HEARTBEAT_SECONDS)
        with suppress(DBAPIError):  # the writer has told of it, and the next beat comes
            await writer.run(instance.beat)
