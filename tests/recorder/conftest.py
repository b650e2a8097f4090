"""A migrated database, and a writer on it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import Engine

from aibridge.recorder.recorder import Recorder
from aibridge.recorder.writer import Writer
from aibridge.store.engine import open_sync_engine
from tests.databases import Database
from tests.recorder.parts import Clock, Pauses, Statements


@pytest.fixture
def path(database: Database) -> Database:
    return database


@pytest.fixture
def engine(path: Database) -> Iterator[Engine]:
    engine = open_sync_engine(path.url, busy_seconds=0.01)
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
async def writer(engine: Engine, clock: Clock, pauses: Pauses) -> AsyncIterator[Writer]:
    """Its queue takes four rows."""
    writer = Writer(engine, size=4, now=clock, sleep=pauses)
    yield writer
    await writer.close(0.2, last=lambda connection: None)


@pytest.fixture
def recorder(writer: Writer, clock: Clock) -> Recorder:
    return Recorder(writer, "me", now=clock)
