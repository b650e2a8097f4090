"""A migrated database, of both kinds where a test does not ask for one."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.store.engine import open_engine
from tests.databases import Database


@pytest.fixture
def url(database: Database) -> str:
    return database.url


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(url)
    yield engine
    await engine.dispose()
