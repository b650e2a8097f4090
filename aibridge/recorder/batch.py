"""Rows of all kinds, written in one transaction by statements that are compiled once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, UpdateBase, bindparam, func, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError

from aibridge.recorder import totals
from aibridge.recorder.rows import COLUMNS, Entry, Kind, Row, clean, described
from aibridge.store import tables
from aibridge.store.engine import writing_directly
from aibridge.store.statement import Statement

logger = logging.getLogger(__name__)

_TABLES = {
    Kind.INTERCEPTION: tables.interceptions,
    Kind.PROMPT: tables.user_prompts,
    Kind.TOKENS: tables.token_usages,
    Kind.TOOL: tables.tool_usages,
    Kind.THOUGHT: tables.model_thoughts,
}

_STATES_OF_A_ROW = ("22", "23", "42804", "42846")
"""Bad data, a broken constraint, a wrong type: https://www.postgresql.org/docs/current/errcodes-appendix.html"""


_ENDED = (*totals.COLUMNS, *COLUMNS[Kind.END][1:])
_WHOLE = (*_ENDED, *COLUMNS[Kind.INTERCEPTION])
"""The columns of an interception that is over when it gets here: of those that stand twice the end's comes first."""


class Batch:
    """The statements of one database."""

    def __init__(self, dialect: Dialect) -> None:
        # Any: the two have no type in common that knows about conflicts.
        insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect.name]
        # A row that is there already was written by an attempt whose success was not seen.
        changes: dict[Kind, UpdateBase] = {
            kind: insert(table).on_conflict_do_nothing() for kind, table in _TABLES.items()
        }
        changes |= {Kind.LINK: _link(), Kind.END: _end()}
        self._statements = [Statement(changes[kind], COLUMNS[kind], dialect) for kind in Kind]
        whole = insert(tables.interceptions)
        ended = {name: whole.excluded[name] for name in _ENDED}
        self._whole = Statement(whole.on_conflict_do_update(index_elements=["id"], set_=ended), _WHOLE, dialect)

    def write(self, engine: Engine, entries: Sequence[Entry]) -> list[Row]:
        """Commits all entries together and returns the rows that the database can take in no way.

        Raises DBAPIError where it is the database that fails: then nothing is written, and all may be tried again.
        """
        groups: list[list[Row]] = [[] for _ in Kind]
        for kind, row in entries:
            groups[kind].append(row)
        try:
            self._write_together(engine, groups)
        except Exception as error:
            if not _is_the_rows_fault(error):
                raise
            return self._write_one_by_one(engine, groups)
        return []

    def _write_together(self, engine: Engine, groups: Sequence[list[Row]]) -> None:
        whole, groups = _joined(groups)
        bound = [
            (statement.sql, [statement.bind(row) for row in group])
            for statement, group in zip((self._whole, *self._statements), (whole, *groups), strict=True)
            if group
        ]
        with writing_directly(engine) as cursor:  # only now: other processes wait for this lock
            for sql, rows in bound:
                cursor.executemany(sql, rows)

    def _write_one_by_one(self, engine: Engine, groups: Sequence[list[Row]]) -> list[Row]:
        with engine.begin() as connection:
            in_order = [(kind, row) for kind in Kind for row in groups[kind]]
            return [row for kind, row in in_order if not self._write_one(connection, kind, row)]

    def _write_one(self, connection: Connection, kind: Kind, row: Row) -> bool:
        statement, fault = self._statements[kind], ""
        for attempt in (row, tuple(clean(value) for value in row)):
            try:
                with connection.begin_nested():
                    connection.exec_driver_sql(statement.sql, statement.bind(attempt))
            except Exception as error:
                if not _is_the_rows_fault(error):
                    raise
                fault = type(error).__name__  # its text might quote what a person wrote
            else:
                return True
        logger.error("dropped a record that cannot be stored: %s (%s)", described(kind, row), fault)
        return False


def _joined(groups: Sequence[list[Row]]) -> tuple[list[Row], list[list[Row]]]:
    """Starts and ends of the same interceptions, joined: one statement costs less than two. And all the rest."""
    ends = {row[0]: row for row in groups[Kind.END]}
    starts = groups[Kind.INTERCEPTION]
    if not any(row[0] in ends for row in starts):
        return [], list(groups)
    whole = totals.joined(starts, ends, groups[Kind.TOKENS])
    over = {row[len(_WHOLE) - len(COLUMNS[Kind.INTERCEPTION])] for row in whole}
    rest = list(groups)
    rest[Kind.INTERCEPTION] = [row for row in starts if row[0] not in over]
    rest[Kind.END] = [row for row in groups[Kind.END] if row[0] not in over]
    return whole, rest


def _link() -> UpdateBase:
    """Points an interception at the one that made its tool call: the same actor's, and the latest such call's.

    A parent is never the younger one, so that no thread runs in a circle.
    """
    child, parent, calls = tables.interceptions, tables.interceptions.alias("parent"), tables.tool_usages
    # An expression has no index; with one, SQLite would go through all that the actor ever did and not by the call.
    actor = parent.c.initiator_id.concat(literal_column("''"))
    found = (
        select(parent.c.id, func.coalesce(parent.c.thread_root_id, parent.c.id).label("root_id"))
        .join(calls, calls.c.interception_id == parent.c.id)
        .where(
            calls.c.provider_tool_call_id == bindparam("call"),
            actor == bindparam("actor"),
            parent.c.started_at <= bindparam("started"),
            parent.c.id != bindparam("interception"),
        )
        .order_by(calls.c.created_at.desc())
        .limit(literal_column("1"))
        .offset(literal_column("0"))  # or SQLite's dialect adds a parameter of its own
        .subquery("found")
    )
    return (
        update(child)
        .where(child.c.id == bindparam("interception"), child.c.thread_parent_id.is_(None))
        .values(thread_parent_id=found.c.id, thread_root_id=found.c.root_id)
    )


def _end() -> UpdateBase:
    table = tables.interceptions
    values: dict[str, Any] = {name: bindparam(name, type_=table.c[name].type) for name in COLUMNS[Kind.END][1:]}
    found = totals.summed(bindparam("interception"))
    values |= {name: found.c[name] for name in tables.TOTALS}
    values["took_ms"] = totals.took(bindparam("ended_at", type_=table.c.ended_at.type))
    return update(table).where(table.c.id == bindparam("interception")).values(values)


def _is_the_rows_fault(error: Exception) -> bool:
    """Whether other rows can still be written; otherwise the database itself is in trouble."""
    if not isinstance(error, DBAPIError):
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:  # the server refused: a table or a right that is missing is no row's fault
        return bool(state.startswith(_STATES_OF_A_ROW))
    return isinstance(error, DataError | IntegrityError | InterfaceError | ProgrammingError)
