"""What is older than so many days goes, batch by batch, and by one process at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.store import retention, tables
from aibridge.store.engine import open_engine, writing
from aibridge.store.retention import EVERY_SECONDS, delete_batch, keeping
from tests.databases import Database
from tests.recorder.parts import Clock, Pauses
from tests.store.words import NOON, add


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database.url)
    yield engine
    await engine.dispose()


def left(database: Database) -> list[str]:
    return [row["id"] for row in database.query("SELECT id FROM aibridge_interceptions ORDER BY id")]


async def test_what_is_old_goes_with_all_that_belongs_to_it(engine: AsyncEngine, database: Database) -> None:
    await add(engine, "old", started_at=NOON - timedelta(days=1, seconds=1))
    await add(engine, "new", started_at=NOON - timedelta(days=1))
    assert await delete_batch(engine, NOON - timedelta(days=1)) == 2  # and a hidden turn
    assert left(database) == ["new"]
    for table in ("user_prompts", "tool_usages", "model_thoughts", "token_usages"):
        assert database.query(f"SELECT id FROM aibridge_{table}") == [{"id": "new"}]  # noqa: S608
    assert database.query("SELECT key FROM aibridge_hidden_turns") == [{"key": "new"}]
    assert await delete_batch(engine, NOON - timedelta(days=1)) == 0


async def test_what_is_still_open_stays(engine: AsyncEngine, database: Database) -> None:
    await add(engine, "open", ended_at=None)
    await delete_batch(engine, NOON + timedelta(days=1))
    assert left(database) == ["open"]


@pytest.mark.only_on("postgresql")
async def test_one_process_at_a_time(engine: AsyncEngine, database: Database) -> None:
    await add(engine, "old")
    async with writing(engine) as connection:
        await connection.execute(select(func.pg_advisory_xact_lock(retention._POSTGRESQL_LOCK)))
        assert await delete_batch(engine, NOON + timedelta(days=1)) == 0
    assert left(database) == ["old"]
    assert await delete_batch(engine, NOON + timedelta(days=1)) == 2


async def test_it_is_done_at_the_start_and_every_hour_in_batches(
    engine: AsyncEngine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    clock, pauses = Clock(), Pauses()
    for number in range(3):
        await add(engine, str(number), started_at=NOON - timedelta(days=8))
    await add(engine, "later", started_at=NOON - timedelta(days=7) + timedelta(hours=1))
    async with asyncio.timeout(20), keeping(database.url, 7, now=clock, sleep=pauses):
        for expected in (["2", "later"], ["later"], ["later"]):
            await pauses.began.wait()
            assert left(database) == expected
            assert len(database.query("SELECT key FROM aibridge_hidden_turns")) == len(expected)
            clock.advance(1201)
            pauses.end()
        await pauses.began.wait()
        assert left(database) == []
    assert pauses.asked == [0.1, 0.1, EVERY_SECONDS, 0.1]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_trouble_is_told_and_tried_again_an_hour_later(
    engine: AsyncEngine, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock, pauses = Clock(), Pauses()
    await add(engine, "old", started_at=NOON - timedelta(days=8))
    database.query("ALTER TABLE aibridge_hidden_turns RENAME TO elsewhere")
    async with asyncio.timeout(20), keeping(database.url, 7, now=clock, sleep=pauses):
        await pauses.began.wait()
        assert caplog.messages == [f"old records could not be deleted: {database.absent('aibridge_hidden_turns')}"]
        assert left(database) == ["old"]
        database.query("ALTER TABLE elsewhere RENAME TO aibridge_hidden_turns")
        pauses.end()
        await pauses.began.wait()
    assert left(database) == []
    assert pauses.asked == [EVERY_SECONDS, 0.1]


async def test_without_a_limit_nothing_runs(database: Database) -> None:
    async with keeping(database.url, None):
        assert asyncio.all_tasks() == {asyncio.current_task()}


def test_the_tables_that_are_emptied_are_all_that_there_are() -> None:
    """A new table must say here whether retention reaches it."""
    cascades = {
        table.name
        for table in tables.metadata.sorted_tables
        if any(key.ondelete == "CASCADE" for key in table.foreign_keys)
    }
    kept = {"aibridge_keys", "aibridge_instances", "aibridge_tool_pins", "aibridge_budgets"}
    reached = {"aibridge_interceptions", "aibridge_hidden_turns"} | cascades
    assert {table.name for table in tables.metadata.sorted_tables} == reached | kept
