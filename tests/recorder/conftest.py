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
from aibridge.store.tables import metadata
from tests.recorder.parts import Clock, Pauses, SickSpool, Statements


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = open_sync_engine(f"sqlite:///{path}", busy_seconds=0.01)
    metadata.create_all(engine)
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
def spool(path: Path) -> SickSpool:
    return SickSpool(path.with_name("a.db-spool"), "me")


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
