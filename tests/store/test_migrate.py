"""The database is brought up to date by whoever comes first, once."""

import asyncio
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.store import migrate as module
from aibridge.store.engine import StoreError, open_engine
from aibridge.store.migrate import REVISION, VERSION_TABLE, migrate
from aibridge.store.migrations.versions import v0005_totals
from aibridge.store.tables import metadata
from tests.databases import Database

pytestmark = pytest.mark.filterwarnings(
    "ignore:Skipped unsupported reflection of expression-based index",
    "ignore:autogenerate skipping metadata-specified expression-based index",
)

MIGRATIONS = Path(module.__file__).with_name("migrations")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
async def engine(path: Path) -> Any:
    engine = open_engine(f"sqlite:///{path}")
    yield engine
    await engine.dispose()


def differences(connection: Connection) -> list[Any]:
    opts = {"version_table": VERSION_TABLE, "compare_type": True, "include_object": _is_everywhere}
    context = MigrationContext.configure(connection, opts=opts)
    return list(compare_metadata(context, metadata))


def _is_everywhere(thing: Any, *_: object) -> bool:
    """What only one database has is compared in test_a_new_database_is_as_a_migrated_one."""
    return getattr(thing, "_ddl_if", None) is None


def query(path: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        with connection:
            return connection.execute(sql).fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("since", ["base", "0001", "0003"])
async def test_a_new_database_is_as_a_migrated_one(empty_database: Database, since: str) -> None:
    engine = open_engine(empty_database.url)
    await migrate(engine)
    made = schema(empty_database)
    async with engine.begin() as connection:
        await connection.run_sync(_drop_all)
        await connection.run_sync(_migrate_to, since)
    await (_migrate_from_nothing if since == "base" else migrate)(engine)
    assert len(made) > 100
    assert schema(empty_database) == made
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


def _drop_all(connection: Connection) -> None:
    metadata.drop_all(connection)
    module._version.drop(connection)


def _migrate_to(connection: Connection, revision: str) -> None:
    config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    config.set_main_option("script_location", str(MIGRATIONS))
    if revision != "base":
        command.upgrade(config, revision)


async def _migrate_from_nothing(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(_migrate_to, "head")


def schema(database: Database) -> list[tuple[Any, ...]]:
    """Every column, index and constraint, as the database itself describes it."""
    found = [row for sql in SCHEMA[database.kind] for row in database.query(sql)]
    return sorted(tuple(map(str, row.values())) for row in found)


SCHEMA = {
    "sqlite": [
        """SELECT t.name, c.* FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'""",
        """SELECT t.name, f.* FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) f WHERE t.type = 'table'""",
        """SELECT t.name, i.name, i."unique", i.origin, i.partial, c.* FROM sqlite_master t
             JOIN pragma_index_list(t.name) i JOIN pragma_index_xinfo(i.name) c WHERE t.type = 'table'""",
        """SELECT name, sql FROM sqlite_master WHERE type = 'index'""",
    ],
    "postgresql": [
        """SELECT table_name, ordinal_position, column_name, data_type, character_maximum_length, is_nullable,
             column_default FROM information_schema.columns WHERE table_schema = 'public'""",
        """SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'""",
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
             WHERE connamespace = 'public'::regnamespace""",
    ],
}


async def test_a_difference_would_be_seen(engine: AsyncEngine, path: Path) -> None:
    await migrate(engine)
    query(path, "DROP INDEX ix_aibridge_interceptions_started_at")
    query(path, "ALTER TABLE aibridge_keys DROP COLUMN hint")
    async with engine.connect() as connection:
        assert len(await connection.run_sync(differences)) == 2


def test_the_newest_migration_is_named() -> None:
    assert ScriptDirectory(MIGRATIONS).get_current_head() == REVISION


async def test_again_changes_nothing_and_needs_no_lock(engine: AsyncEngine, path: Path) -> None:
    await migrate(engine)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with asyncio.timeout(2):
        await migrate(engine)
    other.close()


async def test_records_survive(engine: AsyncEngine, path: Path) -> None:
    await migrate(engine)
    query(path, "INSERT INTO aibridge_instances VALUES ('i', 'h', 1, '2026-01-01', '2026-01-01')")
    await migrate(engine)
    assert query(path, "SELECT id FROM aibridge_instances") == [("i",)]


async def test_a_newer_database_is_left_alone(engine: AsyncEngine, path: Path) -> None:
    await migrate(engine)
    query(path, "UPDATE aibridge_schema_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"a\.db.* is of a newer version, 9999: install the aibridge that wrote it"):
        await migrate(engine)
    assert query(path, "SELECT version_num FROM aibridge_schema_version") == [("9999",)]


def test_what_is_no_database_is_left_alone(path: Path) -> None:
    path.write_text("a letter to my aunt, and no database at all" * 100)
    with pytest.raises(StoreError, match=r"a\.db.* cannot be brought up to date: file is not a database"):
        asyncio.run(open_and_migrate(path))
    assert path.read_text().startswith("a letter")


async def open_and_migrate(path: Path) -> None:
    engine = open_engine(f"sqlite:///{path}")
    try:
        await migrate(engine)
    finally:
        await engine.dispose()


async def test_a_failure_leaves_nothing_behind(engine: AsyncEngine, path: Path) -> None:
    query(path, "CREATE TABLE aibridge_hidden_turns (mine)")  # in the way of the last table
    with pytest.raises(StoreError, match="aibridge_hidden_turns already exists"):
        await migrate(engine)
    assert query(path, "SELECT name FROM sqlite_master WHERE type = 'table'") == [("aibridge_hidden_turns",)]


async def test_the_lock_is_taken_before_anything_is_looked_at(engine: AsyncEngine) -> None:
    ran: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: ran.append(args[2]))
    await migrate(engine)
    transaction = ran[ran.index("BEGIN IMMEDIATE") + 1 :]
    assert any(sql.strip().startswith("CREATE TABLE") for sql in transaction)
    assert not any(sql.startswith("BEGIN") for sql in transaction)


SCRIPT = """
import asyncio, sys
from aibridge.store.engine import open_engine
from aibridge.store.migrate import migrate

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    engine = open_engine(sys.argv[1])
    await migrate(engine)
    await engine.dispose()
    print("done", "with" if "alembic" in sys.modules else "without", "alembic", flush=True)

asyncio.run(main())
"""


async def test_processes_that_start_at_once_all_succeed(empty_database: Database) -> None:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-c", SCRIPT, empty_database.url)
    async with asyncio.timeout(60):
        processes = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(4)]
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [output for output, _ in outputs] == [b"done without alembic\n"] * 4
    assert empty_database.query("SELECT version_num FROM aibridge_schema_version") == [{"version_num": REVISION}]


async def test_what_is_over_already_is_summed_up(empty_database: Database) -> None:
    engine = open_engine(empty_database.url)
    await migrate(engine)
    interception = """
        INSERT INTO aibridge_interceptions (id, initiator_id, provider, provider_name, route, model, streaming, client,
            credential_kind, rounds, started_at, ended_at, status)
        VALUES (?, 'a', 'p', 'p', 'r', 'm', true, 'c', 'k', 1, '2026-11-20 07:00:00.000000', ?, ?)
    """
    for id_, ended, status in (("over", "2026-11-20 07:00:01.500000", "completed"), ("open", None, None)):
        empty_database.query(interception, id_, ended, status)
        for number, cost in enumerate((5, None)):
            empty_database.query(
                "INSERT INTO aibridge_token_usages (id, interception_id, input_tokens, output_tokens,"
                " cache_read_input_tokens, cache_write_input_tokens, cost_micros, created_at)"
                " VALUES (?, ?, 10, 2, 3, 4, ?, '2026-11-20 07:00:00.000000')", f"{id_}{number}", id_, cost,
            )  # fmt: skip
    async with engine.begin() as connection:
        await connection.run_sync(_fill_again)
    columns = "input_tokens, output_tokens, cache_read_input_tokens, cache_write_input_tokens, cost_micros, unpriced"
    rows = empty_database.query(f"SELECT {columns}, took_ms FROM aibridge_interceptions ORDER BY id")  # noqa: S608
    assert [list(row.values()) for row in rows] == [[0, 0, 0, 0, 0, 0, None], [20, 4, 6, 8, 5, 1, 1500]]
    await engine.dispose()


def _fill_again(connection: Connection) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        v0005_totals._fill()
