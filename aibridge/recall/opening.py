"""How recall comes to life and how it ends; in between, what has expired is swept away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from aibridge.recall.database import Database
from aibridge.recall.memory import Memory
from aibridge.recall.recall import Recalls
from aibridge.recall.turns import SWEPT_AT_ONCE, Turns
from aibridge.store.clock import BREATH_SECONDS, Sleep, lasting, utc_now
from aibridge.store.engine import open_sync_engine

SWEEP_SECONDS = 3600.0
"""How often expired turns are deleted."""


@asynccontextmanager
async def open_recall(
    url: str,
    *,
    ttl_days: float,
    max_bytes_per_turn: int,
    memory_bytes: int = 64 * 1024 * 1024,
    wait_seconds: float = 1.0,
    now: Callable[[], datetime] = utc_now,
    sleep: Sleep = asyncio.sleep,
) -> AsyncIterator[Recalls]:
    """Everybody's hidden turns, in a database that the recorder has brought up to date.

    `ttl_days`: for so long a turn can be found. `max_bytes_per_turn`: larger ones are not kept. `memory_bytes`: what
    is held in memory at most. `wait_seconds`: no request waits longer than that for the database. `now`, `sleep`: the
    clock. Raises StoreError where the URL names no database that can be opened.
    """
    # The database gives up a little before we do, so that it is heard why.
    turns = Turns(open_sync_engine(url, busy_seconds=0.9 * wait_seconds), now)
    database = Database(turns, wait_seconds=wait_seconds)
    sweeper = asyncio.create_task(_sweep(database, sleep), name="aibridge-recall-sweeper")
    try:
        yield Recalls(
            database, Memory(memory_bytes), ttl=lasting(ttl_days), max_bytes_per_turn=max_bytes_per_turn, now=now
        )
    finally:
        sweeper.cancel()
        await asyncio.wait([sweeper])
        await database.close()


async def _sweep(database: Database, sleep: Sleep) -> None:
    while True:
        while await database.sweep() == SWEPT_AT_ONCE:
            await sleep(BREATH_SECONDS)
        await sleep(SWEEP_SECONDS)
