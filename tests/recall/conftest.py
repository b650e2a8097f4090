"""A database that has its tables, and ways to open recall on it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import Engine

from aibridge.recall import open_recall
from aibridge.recall.recall import Recalls
from aibridge.store.engine import open_sync_engine
from tests.databases import Database
from tests.recall.parts import Clock, Pauses

Open = Callable[..., Awaitable[Recalls]]


@pytest.fixture
def path(database: Database) -> Database:
    return database


@pytest.fixture
def engine(path: Database) -> Iterator[Engine]:
    engine = open_sync_engine(path.url, busy_seconds=0.01)
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def opened(path: Database, clock: Clock) -> AsyncIterator[Open]:
    """Opens recall as another process would, with memory and threads of its own; its first sweep is over then."""
    async with AsyncExitStack() as stack:

        async def opened(**changes: Any) -> Recalls:
            pauses = changes.pop("sleep", Pauses())
            usual: dict[str, Any] = {"ttl_days": 7, "max_bytes_per_turn": 1000, "now": clock, "sleep": pauses}
            recalls = await stack.enter_async_context(open_recall(path.url, **(usual | changes)))
            await pauses.began.wait()
            return recalls

        yield opened
