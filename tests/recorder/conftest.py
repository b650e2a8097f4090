"""A migrated database, a spool, and what moves records from one to the other."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from aibridge.recorder.drain import Drain
from aibridge.recorder.losses import Losses
from aibridge.recorder.recorder import Recorder
from aibridge.recorder.writer import Writer
from aibridge.store.engine import open_sync_engine
from tests.databases import Database
from tests.recorder.parts import Clock, Pauses, SickSpool, Statements


@pytest.fixture
def spool_dir(tmp_path: Path) -> Path:
    """Where SQLite would have it too."""
    return tmp_path / "a.db-spool"


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    engine = open_sync_engine(database.url, busy_seconds=0.01)
    yield engine
    engine.dispose()


@pytest.fixture
def statements(engine: Engine) -> Statements:
    return Statements(engine)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def spool(spool_dir: Path) -> SickSpool:
    return SickSpool(spool_dir, "me")


@pytest.fixture
def lost() -> list[int]:
    return []


@pytest.fixture
def losses(lost: list[int]) -> Losses:
    return Losses(lost.append)


@pytest.fixture
async def writer(spool: SickSpool, losses: Losses, clock: Clock, pauses: Pauses) -> AsyncIterator[Writer]:
    """Four rows may be in memory."""
    writer = Writer(
        spool,
        losses,
        size=4,
        max_bytes=100_000,
        policy="refuse",
        start_seconds=0.1,
        now=clock,
        sleep=pauses,
    )
    yield writer
    await writer.close()


@pytest.fixture
async def drain(
    engine: Engine, spool: SickSpool, writer: Writer, losses: Losses, pauses: Pauses
) -> AsyncIterator[Drain]:
    drain = Drain(engine, spool, writer, losses, sleep=pauses)
    yield drain
    await drain.close()


@pytest.fixture
def recorder(writer: Writer, drain: Drain, spool: SickSpool, clock: Clock) -> Recorder:
    return Recorder(writer, drain, spool, now=clock)
