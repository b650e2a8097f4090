"""How the database is opened, and what is said when it can't be."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.errors import Unavailable
from aibridge.store.engine import StoreError, database_path, open_engine, open_sync_engine, writing, writing_directly


@pytest.fixture
async def engine(tmp_path: Path) -> Any:
    engine = open_engine(f"sqlite:///{tmp_path}/a.db")
    yield engine
    await engine.dispose()


async def pragma(engine: AsyncEngine, name: str) -> object:
    async with engine.connect() as connection:
        return (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()


async def test_every_connection_is_durable_and_patient(engine: AsyncEngine) -> None:
    assert await pragma(engine, "journal_mode") == "wal"
    assert await pragma(engine, "synchronous") == 2  # FULL
    assert await pragma(engine, "foreign_keys") == 1
    assert await pragma(engine, "busy_timeout") == 5000


def test_a_thread_gets_the_same(tmp_path: Path) -> None:
    engine = open_sync_engine(f"sqlite:///{tmp_path}/a.db", busy_seconds=0.25)
    with engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    engine.dispose()
    assert found == ["wal", 2, 1, 250]


def modes(directory: Path) -> dict[str, str]:
    return {path.name: oct(path.stat().st_mode & 0o777) for path in directory.iterdir()}


async def test_only_its_owner_reads_the_file(engine: AsyncEngine, tmp_path: Path) -> None:
    async with writing(engine) as connection:
        await connection.execute(text("CREATE TABLE t (a)"))
        found = modes(tmp_path)
    assert found == {"a.db": "0o600", "a.db-wal": "0o600", "a.db-shm": "0o600"}


def test_a_relative_path_starts_where_we_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_sync_engine("sqlite:///here.db").dispose()
    assert (tmp_path / "here.db").exists()
    assert database_path("sqlite:///here.db") == Path("here.db")


def test_a_file_that_is_there_keeps_its_mode_and_content(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    mine = sqlite3.connect(path, isolation_level=None)
    mine.execute("CREATE TABLE t (a)")
    mine.close()
    path.chmod(0o640)
    engine = open_sync_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT * FROM t")).all() == []
    engine.dispose()
    assert modes(tmp_path)["a.db"] == "0o640"


async def test_a_writing_transaction_holds_the_lock_from_its_start(engine: AsyncEngine, tmp_path: Path) -> None:
    async with writing(engine):
        other = sqlite3.connect(tmp_path / "a.db", timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()


async def test_a_reading_transaction_holds_nobody_up(engine: AsyncEngine, tmp_path: Path) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("SELECT 1"))
        other = sqlite3.connect(tmp_path / "a.db", timeout=0, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.close()


async def test_a_failed_transaction_leaves_nothing(engine: AsyncEngine) -> None:
    async with writing(engine) as connection:
        await connection.execute(text("CREATE TABLE t (a)"))
    with suppress(LookupError):
        async with writing(engine) as connection:
            await connection.execute(text("INSERT INTO t VALUES (1)"))
            raise LookupError
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT * FROM t"))).all() == []


@pytest.fixture
def sync_engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_sync_engine(f"sqlite:///{tmp_path}/a.db", busy_seconds=0)
    with writing_directly(engine) as cursor:
        cursor.execute("CREATE TABLE t (a UNIQUE)")
    yield engine
    engine.dispose()


def rows(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT a FROM t")).scalars())


def test_writing_directly_holds_the_lock_too(sync_engine: Engine, tmp_path: Path) -> None:
    with writing_directly(sync_engine) as cursor:
        other = sqlite3.connect(tmp_path / "a.db", timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        cursor.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
        assert other.execute("SELECT * FROM t").fetchall() == []
    other.close()
    assert rows(sync_engine) == [1, 2]


def test_what_fails_directly_leaves_nothing_and_is_told_as_ever(sync_engine: Engine) -> None:
    with pytest.raises(IntegrityError) as caught, writing_directly(sync_engine) as cursor:
        cursor.executemany("INSERT INTO t VALUES (?)", [("canary",), ("canary",)])
    assert isinstance(caught.value.orig, sqlite3.IntegrityError)
    assert "canary" not in str(caught.value)
    with suppress(LookupError), writing_directly(sync_engine) as cursor:
        cursor.execute("INSERT INTO t VALUES (1)")
        raise LookupError
    assert rows(sync_engine) == []


def test_a_lock_that_another_holds_is_told_as_ever(sync_engine: Engine, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "a.db", timeout=0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="locked"), writing_directly(sync_engine):
        pass
    other.close()
    with writing_directly(sync_engine):
        pass


async def test_errors_quote_no_values(engine: AsyncEngine) -> None:
    with pytest.raises(OperationalError) as caught:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT :secret FROM nowhere"), {"secret": "canary"})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////no/such/a.db", "the database /no/such/a.db cannot be created: make the directory /no/such"),
        ("sqlite:////proc/a.db", "/proc/a.db cannot be created"),
        ("sqlite:////tmp", "/tmp cannot be written (Is a directory): let this user write it"),
        ("sqlite://", "would be lost with the process: name a file"),
        ("sqlite:///:memory:", "would be lost with the process: name a file"),
        ("mysql://u:canary@h/d", "'mysql://u:***@h/d' is of no kind that is served here: use sqlite:///aibridge.db"),
        ("aibridge.db", "the database URL is no URL: use sqlite:///aibridge.db"),
    ],
)
def test_what_cannot_be_opened_is_told_with_its_remedy(url: str, said: str) -> None:
    for opening in (open_engine, open_sync_engine):
        with pytest.raises(StoreError) as caught:
            opening(url)
        assert said in caught.value.message
        assert "canary" not in caught.value.message
        assert isinstance(caught.value, Unavailable)


def test_side_files_need_room_beside_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As root may write everywhere, the system's answer is made up here.
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(StoreError, match="let this user write the directory"):
        open_engine(f"sqlite:///{tmp_path}/a.db")


def test_a_server_has_no_file() -> None:
    assert database_path("postgresql://h/d") is None
