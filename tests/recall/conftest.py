"""A database that has its tables, and ways to open recall on it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from aibridge.recall import open_recall
from aibridge.recall.recall import Recalls
from aibridge.store.engine import open_sync_engine
from tests.recall.parts import Clock, Pauses, make_tables

Open = Callable[..., Awaitable[Recalls]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_tables(tmp_path / "a.db")
    return tmp_path / "a.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = open_sync_engine(f"sqlite:///{path}", busy_seconds=0.01)
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def opened(path: Path, clock: Clock) -> AsyncIterator[Open]:
    """Opens recall as another process would, with memory and threads of its own; its first sweep is over then."""
    async with AsyncExitStack() as stack:

        async def opened(**changes: Any) -> Recalls:
            pauses = changes.pop("sleep", Pauses())
            usual: dict[str, Any] = {"ttl_days": 7, "max_bytes_per_turn": 1000, "now": clock, "sleep": pauses}
            recalls = await stack.enter_async_context(open_recall(f"sqlite:///{path}", **(usual | changes)))
            await pauses.began.wait()
            return recalls

        yield opened
