"""The demo's records, read as any other program would."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aibridge.cli.demo.records import recorded

TABLES = """
    CREATE TABLE aibridge_interceptions (id TEXT, started_at TEXT, ended_at TEXT);
    CREATE TABLE aibridge_user_prompts (prompt TEXT, created_at TEXT);
    CREATE TABLE aibridge_tool_usages (tool TEXT, created_at TEXT);
    CREATE TABLE aibridge_token_usages (input_tokens INTEGER, created_at TEXT);
    INSERT INTO aibridge_token_usages VALUES (7, '2026-01-02'), (5, '2026-01-01');
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    execute(path, TABLES)
    return path


def execute(database: Path, statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(statements)


async def test_they_are_read_in_the_order_of_time(database: Path) -> None:
    execute(database, "INSERT INTO aibridge_interceptions VALUES ('i', '2026-01-01', '2026-01-02')")
    records = await recorded(database)
    assert records.complete
    assert [row["input_tokens"] for row in records.tokens] == [5, 7]


async def test_what_never_ends_is_given_up(database: Path) -> None:
    execute(database, "INSERT INTO aibridge_interceptions VALUES ('i', '2026-01-01', NULL)")
    records = await recorded(database, timeout=0.1)
    assert not records.complete
    assert [row["id"] for row in records.interceptions] == ["i"]


async def test_nothing_is_not_complete(database: Path) -> None:
    assert not (await recorded(database, timeout=0)).complete
