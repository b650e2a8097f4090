"""What is PostgreSQL's own: its types, its limits, and that it can go away and come back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from aibridge.recall import open_recall
from aibridge.recorder import open_recorder
from aibridge.store.engine import open_engine, open_sync_engine, writing_directly
from tests.databases import Postgresql
from tests.recall.parts import ALICE, a_turn, keys
from tests.recorder.parts import DONE, an_interception

pytestmark = pytest.mark.only_on("postgresql")


def shown(engine: Engine, *names: str) -> list[Any]:
    with engine.connect() as connection:
        return [connection.execute(text(f"SHOW {name}")).scalar_one() for name in names]


@pytest.fixture
def opened(database: Postgresql) -> Any:
    engines: list[Engine] = []

    def opened(url: str = database.url, **options: float) -> Engine:
        engines.append(open_sync_engine(url, **options))
        return engines[-1]

    yield opened
    for engine in engines:
        engine.dispose()


Open = Callable[..., Engine]


def test_no_wait_is_without_an_end(opened: Open) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "application_name")
    engine = opened(busy_seconds=0.25)
    assert shown(engine, *names) == ["30s", "250ms", "30s", "aibridge"]
    with closing(engine.raw_connection()) as connection:
        told = connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]  # psycopg's
    silence = {name: told[name] for name in ("tcp_user_timeout", "keepalives_idle", "keepalives_interval")}
    assert silence == {"tcp_user_timeout": "15000", "keepalives_idle": "15", "keepalives_interval": "5"}


def test_what_is_committed_is_on_the_disk_however_the_server_is_set(opened: Open, database: Postgresql) -> None:
    assert database.query("SHOW synchronous_commit") == [{"synchronous_commit": "off"}]
    assert shown(opened(), "synchronous_commit") == ["on"]


async def test_coroutines_have_the_same_limits(database: Postgresql) -> None:
    engine = open_engine(database.url)
    async with engine.connect() as connection:
        limits = [
            (await connection.execute(text(f"SHOW {name}_timeout"))).scalar_one() for name in ("statement", "lock")
        ]
    await engine.dispose()
    assert limits == ["30s", "5s"]


def test_what_the_url_says_wins(opened: Open, database: Postgresql) -> None:
    url = f"{database.url}?options=-c%20statement_timeout%3D7000&application_name=mine"
    assert shown(opened(url), "statement_timeout", "application_name") == ["7s", "mine"]


def test_a_statement_that_takes_too_long_is_ended(opened: Open, database: Postgresql) -> None:
    engine, taken = opened(f"{database.url}?options=-c%20statement_timeout%3D20"), text("SELECT pg_advisory_lock(7)")
    with opened(database.url).connect() as other, engine.connect() as connection:
        other.execute(taken)
        with pytest.raises(OperationalError, match="statement timeout"):
            connection.execute(taken)


def test_a_server_that_is_not_there_is_told_soon(opened: Open) -> None:
    engine = opened("postgresql://u:canary@127.0.0.1:1/d")
    with pytest.raises(OperationalError, match="refused") as caught:
        engine.connect()
    assert "canary" not in str(caught.value)


def test_times_have_a_zone_and_json_is_json(database: Postgresql) -> None:
    rows = database.query(
        "SELECT data_type, count(*) AS n FROM information_schema.columns"
        " WHERE table_name LIKE 'aibridge_%' AND (column_name LIKE '%_at' OR column_name IN ('metadata', 'input'))"
        " GROUP BY data_type ORDER BY data_type"
    )
    assert [row["data_type"] for row in rows] == ["json", "timestamp with time zone"]


def test_after_a_restart_nobody_notices(opened: Open, database: Postgresql) -> None:
    engine = opened()
    assert shown(engine, "server_encoding") == ["UTF8"]  # so that there is a connection to lose
    database.server.stop()
    database.server.start()
    assert shown(engine, "server_encoding") == ["UTF8"]
    with writing_directly(engine) as cursor:
        cursor.execute("SELECT 1")


async def test_after_a_restart_no_coroutine_notices(database: Postgresql) -> None:
    engine = open_engine(database.url)
    for _ in range(2):
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
        database.server.stop()
        database.server.start()
    await engine.dispose()


async def test_the_recorder_outlives_a_restart_and_loses_nothing(
    database: Postgresql, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.WARNING, "aibridge")
    async with asyncio.timeout(60), open_recorder(database.url, spool_dir=tmp_path) as recorder:
        before, after = an_interception(id="before"), an_interception(id="after")
        await recorder.start(before)
        database.server.stop()
        await recorder.finish(before, DONE)
        waiting = asyncio.create_task(recorder.start(after))
        database.server.start()
        await waiting
        await recorder.finish(after, DONE)
        await recorder.flush()
    rows = database.query("SELECT id, status FROM aibridge_interceptions ORDER BY id")
    assert rows == [{"id": "after", "status": "completed"}, {"id": "before", "status": "completed"}]


@pytest.fixture
async def two(database: Postgresql) -> AsyncIterator[tuple[Any, Any]]:
    """Recall as two gateways have it."""
    async with (
        open_recall(database.url, ttl_days=7, max_bytes_per_turn=1000) as one,
        open_recall(database.url, ttl_days=7, max_bytes_per_turn=1000) as other,
    ):
        yield one.of(ALICE, "work"), other.of(ALICE, "work")


async def test_hidden_turns_are_there_after_a_restart(two: tuple[Any, Any], database: Postgresql) -> None:
    mine, theirs = two
    await mine.keep(a_turn(b"[1]", "k"))
    database.server.stop()
    database.server.start()
    assert await theirs.find(keys("k")) == [a_turn(b"[1]", "k")]
