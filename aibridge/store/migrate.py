"""Brings the database up to date, before anything else uses it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, func, insert, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.store.engine import StoreError, reason_of, writing
from aibridge.store.tables import metadata

REVISION = "0005"
"""The newest migration."""

VERSION_TABLE = "aibridge_schema_version"
"""Not Alembic's own name, which another program in the same database may use."""

# As Alembic would make it.
_version = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)

_POSTGRESQL_LOCK = 0x61696272
"""Any number on which all processes agree."""


async def migrate(engine: AsyncEngine) -> None:
    """Makes the tables, or runs the migrations that are missing. Of processes that start at once one does.

    The others wait. Raises StoreError where the database is of a newer version, or cannot be read or written.
    """
    try:
        async with engine.connect() as connection:
            found = await connection.run_sync(_revision)
        if found != REVISION:
            async with writing(engine) as connection:
                await connection.run_sync(_bring_up_to_date)
    except DBAPIError as error:
        raise StoreError(f"the database {engine.url!r} cannot be brought up to date: {reason_of(error)}") from error


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(select(_version.c.version_num))


def _bring_up_to_date(connection: Connection) -> None:
    """All in the transaction that holds the lock, so that a failure leaves nothing behind."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_POSTGRESQL_LOCK)))
    found = _revision(connection)  # once more: while this process waited, another may have done it
    if found is None:
        _create(connection)
    elif found != REVISION:
        _upgrade(connection, found)


def _create(connection: Connection) -> None:
    """The same as all migrations one after another, as a test shows, and without what they need."""
    metadata.create_all(connection, checkfirst=False)  # what is there already is not ours
    _version.create(connection)
    connection.execute(insert(_version).values(version_num=REVISION))


def _upgrade(connection: Connection, found: str) -> None:
    # Imported where there is work to do: any other process saves 9 MB and a third of a second.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found not in known:
        remedy = f"install the aibridge that wrote it, or name another database (this one knows {REVISION})"
        raise StoreError(f"the database {connection.engine.url!r} is of a newer version, {found}: {remedy}")
    command.upgrade(config, "head")
