"""Ways for a database to fail while others work with it. Each lasts as long as its block."""

from __future__ import annotations

import resource
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager

from tests.databases import Database, Kind, Postgresql

Outage = Callable[[Database, int], AbstractContextManager[None]]
"""Is given the database, and the process that shall suffer."""

_SMALL = 512 * 1024  # bytes


@contextmanager
def locked(database: Database, pid: int) -> Generator[None]:
    """Somebody writes and does not come to an end."""
    with closing(database.hold()):
        yield


@contextmanager
def full(database: Database, pid: int) -> Generator[None]:
    """The process may let no file grow beyond what the database's journal already has. Its spool is far below that."""
    database.query("CREATE TABLE ballast AS SELECT zeroblob(1000000) AS x")
    no_limit = resource.prlimit(pid, resource.RLIMIT_FSIZE, (_SMALL, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, no_limit)


@contextmanager
def read_only(database: Database, pid: int) -> Generator[None]:
    """As a standby is, after a fail-over to it."""
    assert isinstance(database, Postgresql)
    _set(database, "default_transaction_read_only = on")
    try:
        yield
    finally:
        _set(database, "default_transaction_read_only = off")


@contextmanager
def down(database: Database, pid: int) -> Generator[None]:
    """The server was stopped."""
    assert isinstance(database, Postgresql)
    database.server.stop()
    try:
        yield
    finally:
        database.server.start()


@contextmanager
def killed(database: Database, pid: int) -> Generator[None]:
    """The server was killed, in the midst of whatever it did."""
    assert isinstance(database, Postgresql)
    database.server.kill()
    try:
        yield
    finally:
        database.server.start()


@contextmanager
def frozen(database: Database, pid: int) -> Generator[None]:
    """The server takes connections and answers nobody."""
    assert isinstance(database, Postgresql)
    with database.server.frozen():
        yield


OUTAGES: Mapping[Kind, Mapping[str, Outage]] = {
    "sqlite": {"locked": locked, "full": full},
    "postgresql": {"locked": locked, "read-only": read_only, "down": down, "killed": killed, "frozen": frozen},
}


def _set(database: Postgresql, setting: str) -> None:
    """For all connections that are made from now on; those that there are are lost."""
    database.server.execute(f"ALTER DATABASE {database.name} SET {setting}")
    database.server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"  # noqa: S608  a name of ours
        f" WHERE datname = '{database.name}' AND pid != pg_backend_pid()"
    )
