"""Brings the database up to date, before anything else uses it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, column, func, inspect, select, table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.store.engine import StoreError, reason_of, writing

REVISION = "0005"
"""The newest migration."""

VERSION_TABLE = "aibridge_schema_version"
"""Not Alembic's own name, which another program in the same database may use."""

_POSTGRESQL_LOCK = 0x61696272
"""Any number on which all processes agree."""


async def migrate(engine: AsyncEngine) -> None:
    """Runs the migrations that are missing. Of several processes that start at once one does, and the others wait.

    Raises StoreError where the database is of a newer version, or cannot be read or written.
    """
    try:
        async with engine.connect() as connection:
            found = await connection.run_sync(_revision)
        if found != REVISION:
            async with writing(engine) as connection:
                await connection.run_sync(_upgrade)
    except DBAPIError as error:
        raise StoreError(f"the database {engine.url!r} cannot be brought up to date: {reason_of(error)}") from error


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))


def _upgrade(connection: Connection) -> None:
    """All in the transaction that holds the lock, so that a failure leaves nothing behind."""
    # Imported where there is work to do: a process that finds none saves 10 MB and a third of a second.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_POSTGRESQL_LOCK)))
    config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    _refuse_newer(connection, {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()})
    command.upgrade(config, "head")


def _refuse_newer(connection: Connection, known: set[str]) -> None:
    found = _revision(connection)
    if found is not None and found not in known:
        remedy = f"install the aibridge that wrote it, or name another database (this one knows {REVISION})"
        raise StoreError(f"the database {connection.engine.url!r} is of a newer version, {found}: {remedy}")
