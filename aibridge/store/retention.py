"""Deletes what is older than an operator wants to keep: in batches, with pauses, by one process at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from aibridge.store.clock import BREATH_SECONDS, Sleep, lasting, utc_now
from aibridge.store.engine import open_engine, reason_of, writing
from aibridge.store.tables import hidden_turns, interceptions

logger = logging.getLogger(__name__)

AT_ONCE = 1000
"""Interceptions that are deleted in one transaction, with all that belongs to them, and as many hidden turns."""

EVERY_SECONDS = 3600.0
"""How often old records are looked for."""

_POSTGRESQL_LOCK = 0x61696265
"""Any number on which all processes agree. SQLite has one writer anyway."""


@asynccontextmanager
async def keeping(
    url: str, days: float | None, *, now: Callable[[], datetime] = utc_now, sleep: Sleep = asyncio.sleep
) -> AsyncIterator[None]:
    """While the block runs, records older than so many days are deleted; with None nothing is.

    The database has been brought up to date by then. `now`, `sleep`: the clock.
    """
    if days is None:
        yield
        return
    engine = open_engine(url)
    age = lasting(days)
    task = asyncio.create_task(_for_ever(engine, age, now, sleep), name="aibridge-retention")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await engine.dispose()


async def delete_batch(engine: AsyncEngine, before: datetime) -> int:
    """Deletes some of what is older, and says how many rows; 0 also where another process is at it.

    What is still open stays. Raises DBAPIError where the database fails.
    """
    old = interceptions.c.started_at < before, interceptions.c.ended_at.is_not(None)
    oldest = select(interceptions.c.id).where(*old).order_by(interceptions.c.started_at).limit(AT_ONCE)
    whose = hidden_turns.primary_key.columns
    stale = select(*whose).where(hidden_turns.c.created_at < before).limit(AT_ONCE)
    async with writing(engine) as connection:
        if not await _is_ours(connection):
            return 0
        deleted = await connection.execute(delete(interceptions).where(interceptions.c.id.in_(oldest)))
        forgotten = await connection.execute(delete(hidden_turns).where(tuple_(*whose).in_(stale)))
    return deleted.rowcount + forgotten.rowcount


async def _is_ours(connection: AsyncConnection) -> bool:
    if connection.dialect.name != "postgresql":
        return True
    return bool(await connection.scalar(select(func.pg_try_advisory_xact_lock(_POSTGRESQL_LOCK))))


async def _for_ever(engine: AsyncEngine, age: timedelta, now: Callable[[], datetime], sleep: Sleep) -> None:
    while True:
        total = 0
        try:
            while (deleted := await delete_batch(engine, now() - age)) > 0:
                total += deleted
                await sleep(BREATH_SECONDS)
        except DBAPIError as error:
            logger.error("old records could not be deleted: %s", reason_of(error))
        if total:
            logger.info(
                "deleted %d records older than %g days (recorder.retention_days)", total, age / timedelta(days=1)
            )
        await sleep(EVERY_SECONDS)
