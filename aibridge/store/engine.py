"""How the database is opened: `sqlite:///aibridge.db`, `sqlite:////absolute/path.db` or `postgresql://…`."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from aibridge.errors import Unavailable

BUSY_SECONDS = 5.0
"""How long a statement waits for a lock that another process holds: SQLite's on its file, PostgreSQL's on a row."""

_CONNECT_SECONDS = 5
"""How long a server may take to be reached, and a free connection to be had."""

_STATEMENT_SECONDS = 30
"""How long a server may work on one statement. Ours take milliseconds; one that takes longer holds others up."""

_DEAD_SECONDS = 15
"""How long another machine's system may be silent before a connection is given up: our own's limit is hours."""

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",  # readers and the writer do not wait for one another
    "PRAGMA synchronous = FULL",  # a commit has reached the disk: this is an audit trail
    "PRAGMA foreign_keys = ON",
)

_DURABLE = "-c synchronous_commit=on"
"""The same of PostgreSQL, however its server is set: what is committed leaves our spool."""

_BEGIN_TO_WRITE = "BEGIN IMMEDIATE"
"""SQLite's write lock, taken at the start of a transaction."""


Database = AsyncEngine
"""The database for coroutines, under a name for rooms that know no SQLAlchemy."""


_encode = msgspec.json.Encoder().encode


class StoreError(Unavailable):
    """The database cannot be used as it is configured. Says which one, why, and what to do."""


def open_engine(url: str) -> AsyncEngine:
    """The database for coroutines. Connects lazily; a SQLite file is created at once, for its owner alone.

    Raises StoreError where the URL names no database that can be opened and written.
    """
    target = _target(url, "aiosqlite")
    engine = create_async_engine(target, **_options(target))
    _arrange(engine.sync_engine)
    return engine


def open_sync_engine(url: str, *, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """The same for a thread that writes: each transaction takes the write lock. Raises as open_engine does."""
    target = _target(url, "pysqlite")
    # Positional parameters in both: the recorder's rows are tuples, and go to the driver itself.
    paramstyle = {"sqlite": "qmark", "postgresql": "format"}[target.get_backend_name()]
    engine = create_engine(target, **_options(target, busy_seconds), paramstyle=paramstyle)
    _arrange(engine)
    return engine.execution_options(immediate=True)


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that writes: it takes SQLite's write lock at its start, so it can wait for it in peace."""
    async with engine.execution_options(immediate=True).begin() as connection:
        yield connection


@contextmanager
def writing_directly(engine: Engine) -> Iterator[DBAPICursor]:
    """The same on the driver's own cursor, for compiled statements that run many times a second.

    What SQLAlchemy does around each of them costs more than they do. Raises DBAPIError, as it would.
    """
    driver = engine.dialect.loaded_dbapi
    try:
        with closing(engine.raw_connection()) as connection:  # closing rolls back what is not committed
            cursor = connection.cursor()
            if engine.dialect.name == "sqlite":
                cursor.execute(_BEGIN_TO_WRITE)  # other drivers begin by themselves
            yield cursor
            connection.commit()
    except driver.Error as error:
        raise DBAPIError.instance(None, None, error, driver.Error, dialect=engine.dialect) from error


@contextmanager
def told_as_ours(engine: AsyncEngine) -> Iterator[None]:
    """What the database says comes out as StoreError, for whoever is told in one line."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"the database {engine.url!r} cannot be used: {reason_of(error)}") from error


def reason_of(error: DBAPIError) -> str:
    """Why, in the database's own words; no more than their first line, for the others may quote a row."""
    return str(error.orig).partition("\n")[0]


def database_path(url: str) -> Path | None:
    """The file of a SQLite URL; None for a server. Raises StoreError for what is no such URL."""
    target = _parse(url)
    return Path(target.database or "") if target.get_backend_name() == "sqlite" else None


def _parse(url: str) -> URL:
    remedy = "use sqlite:///aibridge.db, sqlite:////absolute/path.db or postgresql://user:password@host/name"
    try:
        target = make_url(url)
    except ArgumentError:
        raise StoreError(f"the database URL is no URL: {remedy}") from None
    shown = target.render_as_string(hide_password=True)
    if target.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"the database {shown!r} is of no kind that is served here: {remedy}")
    if target.get_backend_name() == "sqlite" and target.database in (None, "", ":memory:"):
        raise StoreError(
            f"the database {shown!r} would be lost with the process: name a file, as in sqlite:///aibridge.db"
        )
    return target


def _target(url: str, sqlite_driver: str) -> URL:
    target = _parse(url)
    path = database_path(url)
    if path is None:
        return target.set(drivername="postgresql+psycopg")
    _create(path)
    return target.set(drivername=f"sqlite+{sqlite_driver}")


def _create(path: Path) -> None:
    """Makes the file if need be. Prompts are in it, so it is its owner's alone; SQLite's side files follow suit."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        # It is not opened, for closing it would drop every lock that other connections of this process hold on it; the
        # next one to look at the database would then take their journal away: https://sqlite.org/howtocorrupt.html
        if path.is_dir():
            raise _unwritable(path, os.strerror(errno.EISDIR)) from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise _unwritable(path, os.strerror(errno.EACCES)) from None
    except FileNotFoundError:
        raise StoreError(f"the database {path} cannot be created: make the directory {path.parent}") from None
    except OSError as error:
        raise _unwritable(path, str(error.strerror)) from None
    if not os.access(path.parent, os.W_OK):
        raise StoreError(f"the database {path} needs side files: let this user write the directory {path.parent}")


def _unwritable(path: Path, reason: str) -> StoreError:
    remedy = "let this user write it, or name another file in recorder.url"
    return StoreError(f"the database {path} cannot be written ({reason}): {remedy}")


def _options(target: URL, busy_seconds: float = BUSY_SECONDS) -> dict[str, Any]:
    options: dict[str, Any] = {
        "hide_parameters": True,  # what is recorded shows in no error
        "json_serializer": lambda value: _encode(value).decode(),
        "json_deserializer": msgspec.json.decode,
    }
    if target.get_backend_name() == "sqlite":
        # The driver is kept from beginning transactions by itself: _arrange does, and says which kind.
        options["connect_args"] = {"isolation_level": None, "timeout": busy_seconds}
    else:
        # A connection is tried before it is used, so that a server's restart costs nobody a statement.
        options |= {"pool_pre_ping": True, "pool_timeout": _CONNECT_SECONDS}
        options["connect_args"] = _patience(target, busy_seconds)
    return options


def _patience(target: URL, busy_seconds: float) -> dict[str, Any]:
    """No wait for a server is without an end. What the URL says of these wins.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    """
    limits = {
        "statement_timeout": _STATEMENT_SECONDS,
        "lock_timeout": min(busy_seconds, _STATEMENT_SECONDS),
        "idle_in_transaction_session_timeout": _STATEMENT_SECONDS,
    }
    ours = {
        "application_name": "aibridge",
        "connect_timeout": _CONNECT_SECONDS,
        "tcp_user_timeout": _DEAD_SECONDS * 1000,
        "keepalives_idle": _DEAD_SECONDS,
        "keepalives_interval": _DEAD_SECONDS // 3,
        "keepalives_count": 3,
        "options": " ".join([_DURABLE, *(f"-c {name}={_milliseconds(seconds)}" for name, seconds in limits.items())]),
    }
    return {name: value for name, value in ours.items() if name not in target.query}


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _arrange(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql(_BEGIN_TO_WRITE if immediate else "BEGIN")
