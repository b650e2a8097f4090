"""The rows of hidden turns, as a thread reads and writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, final

from sqlalchemy import Dialect, Engine, UpdateBase, bindparam, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from aibridge.store.engine import writing_directly
from aibridge.store.statement import Row, Statement
from aibridge.store.tables import hidden_turns as table

SWEPT_AT_ONCE = 100
"""So many expired rows are deleted together. A megabyte costs SQLite 3 ms, in which nobody else can write."""

_ASKED_AT_ONCE = 10_000
"""Keys in one query; databases bound its parameters."""

Place = tuple[str, str, str]
"""Whose a turn is, with which provider, and its key's digest. Nothing is ever found by less."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A turn as it is kept: the same under each of its keys."""

    id: str
    content: bytes
    expires_at: datetime


_COLUMNS = ("actor", "provider", "key", "turn_id", "content", "created_at", "expires_at")

_PLACE = (table.c.actor, table.c.provider, table.c.key)

_FIND = select(table.c.key, table.c.turn_id, table.c.content, table.c.expires_at).where(
    table.c.actor == bindparam("actor"),
    table.c.provider == bindparam("provider"),
    table.c.key.in_(bindparam("keys", expanding=True)),
    table.c.expires_at > bindparam("now"),
)

_SWEEP = delete(table).where(
    tuple_(*_PLACE).in_(select(*_PLACE).where(table.c.expires_at <= bindparam("now")).limit(SWEPT_AT_ONCE))
)


@final
class Turns:
    """The table. Each method is one transaction and raises DBAPIError where the database fails."""

    def __init__(self, engine: Engine, now: Callable[[], datetime]) -> None:
        self._writing = engine
        self._reading = engine.execution_options(immediate=False)
        self._now = now
        self._keep = Statement(keeping(engine.dialect), _COLUMNS, engine.dialect)

    def find(self, actor: str, provider: str, digests: Sequence[str]) -> dict[Place, Kept]:
        """Those that are there and have not expired."""
        found: dict[Place, Kept] = {}
        with self._reading.connect() as connection:
            for start in range(0, len(digests), _ASKED_AT_ONCE):
                keys = digests[start : start + _ASKED_AT_ONCE]
                asked = {"actor": actor, "provider": provider, "keys": keys, "now": self._now()}
                for key, *kept in connection.execute(_FIND, asked).all():
                    found[actor, provider, key] = Kept(*kept)
        return found

    def keep(self, turns: Mapping[Place, Kept]) -> None:
        """Takes them all together; each replaces what was at its place."""
        now = self._now()
        # In one order, or two processes could wait for one another.
        rows = [self._keep.bind(_row(place, turns[place], now)) for place in sorted(turns)]
        with writing_directly(self._writing) as cursor:  # a client waits for this
            cursor.executemany(self._keep.sql, rows)

    def sweep(self) -> int:
        """Deletes a batch of what has expired, and says how many rows."""
        with self._writing.begin() as connection:
            return connection.execute(_SWEEP, {"now": self._now()}).rowcount

    def close(self) -> None:
        """Closes the connections."""
        self._writing.dispose()


def keeping(dialect: Dialect) -> UpdateBase:
    """The statement that puts a row in its place, whatever is there."""
    # Any: the two have no type in common that knows about conflicts.
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect.name](table)
    others = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
    statement: UpdateBase = insert.on_conflict_do_update(index_elements=_PLACE, set_=others)
    return statement


def _row(place: Place, kept: Kept, now: datetime) -> Row:
    """The values of _COLUMNS."""
    return (*place, kept.id, kept.content, now, kept.expires_at)
