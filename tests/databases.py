"""A database of either kind, as a test sees it from outside: asked by a connection of its own, or locked by one."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import psycopg
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader

from tests.postgres import Server
from tests.waiting import eventually

Kind = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")


class Lock(Protocol):
    """Held until it is closed."""

    def close(self) -> None: ...


class Database(ABC):
    """What it gives back is alike in both: times as SQLite's text in UTC, JSON as its text, booleans as numbers."""

    kind: Kind
    url: str
    busy: str
    """What the database says to whoever has waited for a lock long enough."""

    @abstractmethod
    def query(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """What a second connection sees, or does. Parameters are question marks."""

    async def recorded(self, rows: int, sql: str, *values: object) -> list[dict[str, Any]]:
        """The same, once there are so many rows: a gateway's records are there within half a second."""
        return await eventually(lambda: found if len(found := self.query(sql, *values)) >= rows else None)

    @abstractmethod
    def absent(self, table: str) -> str:
        """What the database says of a table that is not there."""

    @abstractmethod
    def hold(self) -> Lock:
        """Another connection that writes and does not come to an end; closing it does."""


class Sqlite(Database):
    """A file."""

    kind = "sqlite"
    busy = "database is locked"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    def query(self, sql: str, *values: object) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path, timeout=10, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]

    def absent(self, table: str) -> str:
        return f"no such table: {table}"

    def hold(self) -> Lock:
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        return connection


class Postgresql(Database):
    """A database of a server that tests started."""

    kind = "postgresql"
    busy = "canceling statement due to lock timeout"

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.url = server.url(name)

    def query(self, sql: str, *values: object) -> list[dict[str, Any]]:
        asked = sql.replace("%", "%%").replace("?", "%s").replace("rowid", "ctid").encode()
        with closing(self._connect()) as connection:
            cursor = connection.execute(asked, values)
            return [_alike(row) for row in cursor] if cursor.description else []

    def absent(self, table: str) -> str:
        return f'relation "{table}" does not exist'

    def hold(self) -> Lock:
        connection = self._connect()
        connection.execute("BEGIN")
        tables = "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE tablename LIKE 'aibridge_%'"
        for row in connection.execute(tables).fetchall():
            connection.execute(f"LOCK TABLE {row['name']} IN EXCLUSIVE MODE".encode())  # readers may go on
        return connection

    def _connect(self) -> psycopg.Connection[dict[str, Any]]:
        connection = psycopg.connect(self.url, autocommit=True, row_factory=dict_row, options="-c timezone=UTC")
        connection.adapters.register_loader("json", TextLoader)
        return connection


def _alike(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _as_sqlite_has_it(value) for name, value in row.items()}


def _as_sqlite_has_it(value: Any) -> Any:
    match value:
        case bool():
            return int(value)
        case datetime():
            return value.astimezone(UTC).isoformat(" ", "microseconds")[:26]
        case _:
            return value
