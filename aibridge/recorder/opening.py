"""How the recorder comes to life, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import gettempdir

from sqlalchemy.exc import DBAPIError

from aibridge.pricing import Price, no_price
from aibridge.recorder.admission import Policy
from aibridge.recorder.drain import Drain
from aibridge.recorder.instances import HEARTBEAT_SECONDS, Instance
from aibridge.recorder.locks import held
from aibridge.recorder.losses import Losses
from aibridge.recorder.recorder import Recorder
from aibridge.recorder.recovery import claim, recover
from aibridge.recorder.rows import Prompts
from aibridge.recorder.spool import Spool
from aibridge.recorder.writer import Writer
from aibridge.store.clock import Sleep, utc_now
from aibridge.store.engine import StoreError, database_path, open_engine, open_sync_engine, reason_of
from aibridge.store.migrate import migrate

logger = logging.getLogger(__name__)

_BUSY_SECONDS = 1.0
"""How long one attempt to write waits for another process; there is always another attempt."""

_RECOVERY_SECONDS = 5.0
"""How long the opening waits for what dead processes left; a long outage's spool is taken in beside the traffic."""


@asynccontextmanager
async def open_recorder(
    url: str,
    *,
    prompts: Prompts = "full",
    spool_dir: Path | None = None,
    spool_max_bytes: int = 1024**3,
    when_full: Policy = "refuse",
    dropped: Callable[[int], object] = lambda count: None,
    price: Price = no_price,
    queue_size: int = 10_000,
    start_seconds: float = 5.0,
    close_seconds: float = 10.0,
    now: Callable[[], datetime] = utc_now,
    sleep: Sleep = asyncio.sleep,
) -> AsyncIterator[Recorder]:
    """A recorder on a database that has been brought up to date, with what dead processes left behind taken in.

    `spool_dir`: None is beside the database. `spool_max_bytes`, `when_full`: when interceptions are no longer
    recorded, and what becomes of them. `dropped`: is told how many records were lost. `price`: tells what tokens cost,
    on a thread beside the event loop. `queue_size`: rows in memory.
    `start_seconds`: a start that is not durable by then is refused. `close_seconds`: for bringing the spool to the
    database on leaving; what is not there by then stays in the spool. `now`, `sleep`: the clock.
    Raises StoreError where the database or the spool's directory cannot be used.
    """
    await _bring_up_to_date(url)
    instance = Instance(_lock_directory(url), now)
    spool = Spool(spool_dir or _spool_directory(url), instance.id)
    if spool_dir or database_path(url) is None:  # beside a SQLite file it is that file's own
        claim(spool.directory, url)
    losses = Losses(dropped)
    with instance.alive(), _locked(spool):
        writer = Writer(
            spool,
            losses,
            size=queue_size,
            max_bytes=spool_max_bytes,
            policy=when_full,
            start_seconds=start_seconds,
            now=now,
            sleep=sleep,
        )
        drain = Drain(
            open_sync_engine(url, busy_seconds=_BUSY_SECONDS), spool, writer, losses, price=price, sleep=sleep
        )
        recorder = Recorder(writer, drain, spool, prompts=prompts, now=now)
        try:
            heart = await _start_heart(drain, spool, instance, sleep)
            try:
                yield recorder
            finally:
                heart.cancel()
        finally:
            await _close(recorder, writer, drain, instance, close_seconds)


async def _bring_up_to_date(url: str) -> None:
    engine = open_engine(url)
    try:
        await migrate(engine)
    finally:
        await engine.dispose()


def _lock_directory(url: str) -> Path:
    path = database_path(url) or Path(gettempdir(), "aibridge")
    return path.resolve().with_name(f"{path.name}-instances")


def _spool_directory(url: str) -> Path:
    path = database_path(url) or Path("aibridge")
    return path.resolve().with_name(f"{path.name}-spool")


@contextmanager
def _locked(spool: Spool) -> Iterator[None]:
    """Tells other processes that this spool has a living owner; to the end, if nothing is left in it."""
    with held(spool.lock):
        yield
        if not spool.bytes - spool.others:
            spool.lock.unlink(missing_ok=True)


async def _start_heart(drain: Drain, spool: Spool, instance: Instance, sleep: Sleep) -> asyncio.Task[None]:
    """Raises StoreError where the first beat finds a database that cannot be written."""
    try:
        await drain.run(instance.register)
        first = asyncio.create_task(_beat(drain, spool, instance), name="aibridge-recovery")
        await asyncio.wait([first], timeout=_RECOVERY_SECONDS)
        if first.done():
            await first
    except DBAPIError as error:
        raise StoreError(f"the database cannot be written: {reason_of(error)}") from error
    return asyncio.create_task(_keep_beating(first, drain, spool, instance, sleep), name="aibridge-heartbeat")


async def _keep_beating(beat: asyncio.Task[None], drain: Drain, spool: Spool, instance: Instance, sleep: Sleep) -> None:
    with suppress(DBAPIError):
        await beat
    while True:
        await sleep(HEARTBEAT_SECONDS)
        with suppress(DBAPIError):  # the drain has told of it, and the next beat comes
            await _beat(drain, spool, instance)


async def _beat(drain: Drain, spool: Spool, instance: Instance) -> None:
    """First what the dead had recorded, then an end for what they left open."""
    await recover(spool, drain)
    await drain.run(instance.beat)


async def _close(recorder: Recorder, writer: Writer, drain: Drain, instance: Instance, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await recorder.flush()
            await drain.run(instance.leave)
    except (TimeoutError, DBAPIError):
        reason = drain.trouble or "it is too slow"
        logger.error(
            "%d records are not in the database (%s): the next start takes them from the spool",
            recorder.spooled,
            reason,
        )
    await writer.close()
    await drain.close()
