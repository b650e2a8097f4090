"""Conversations, as the clients name them: the interceptions of one session id and one actor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Integer, Select, Text, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from aibridge.audit.queries.filters import Filters
from aibridge.audit.queries.interceptions import LIMIT, add_snippets
from aibridge.audit.queries.paging import Cursor, Page, Row, beyond, paged
from aibridge.audit.queries.usage import sums
from aibridge.store.tables import TOTALS, interceptions

_SESSION = interceptions.c.client_session_id
_ACTOR = interceptions.c.initiator_id
_KEY = (_SESSION + "\n" + _ACTOR).cast(Text)  # neither holds a line break: both came in a header or a key


async def page(
    connection: AsyncConnection, filters: Filters, *, limit: int = LIMIT, after: Cursor | None = None
) -> Page:
    """The sessions that were used last, or those used before the cursor; each with its totals and its last prompt."""
    rows = [dict(row) for row in (await connection.execute(_grouped(filters, limit, after))).mappings()]
    found = paged(rows, limit, "last_at", "key")
    await _add_totals(connection, filters, found.rows)
    await _add_last(connection, found.rows)
    for row in found.rows:
        del row["key"]
    return found


def _grouped(filters: Filters, limit: int, after: Cursor | None) -> Select[Any]:
    at = interceptions.c.started_at
    last, failed = func.max(at).label("last_at"), interceptions.c.status.in_(("failed", "crashed"))
    columns = (
        _SESSION.label("session"),
        _ACTOR.label("actor"),
        _KEY.label("key"),
        func.min(at).label("first_at"),
        last,
        func.count().label("interceptions"),
        func.coalesce(func.sum(cast(failed, Integer)), 0).label("failed"),
    )
    query = select(*columns).where(_SESSION.is_not(None), *filters.conditions()).group_by(_SESSION, _ACTOR)
    if after is not None:
        query = query.having(beyond(last.element, _KEY, after))
    return query.order_by(last.desc(), _KEY.desc()).limit(limit + 1)


async def _add_totals(connection: AsyncConnection, filters: Filters, rows: Sequence[Row]) -> None:
    query = select(_SESSION, _ACTOR, *sums()).where(*_those(rows), *filters.conditions()).group_by(_SESSION, _ACTOR)
    found = {(session, actor): totals for session, actor, *totals in await connection.execute(query)}
    for row in rows:
        row.update(zip(TOTALS, found[row["session"], row["actor"]], strict=True))


async def _add_last(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """The client and model of the last interception, and what was asked in it."""
    table = interceptions.c
    query = select(_SESSION, _ACTOR, table.id, table.started_at, table.client, table.model).where(*_those(rows))
    last = {(session, actor, at): rest for session, actor, rest, at in _split(await connection.execute(query))}
    asked = [last[row["session"], row["actor"], row["last_at"]] for row in rows]
    await add_snippets(connection, asked)
    for row, of in zip(rows, asked, strict=True):
        row.update({name: of[name] for name in ("client", "model", "prompt")})


def _split(found: Any) -> Any:
    for session, actor, id_, at, client, model in found:
        yield session, actor, {"id": id_, "client": client, "model": model}, at


def _those(rows: Sequence[Row]) -> list[Any]:
    """The session ids alone first, for they have an index."""
    pairs = [(row["session"], row["actor"]) for row in rows]
    return [_SESSION.in_([session for session, _ in pairs]), tuple_(_SESSION, _ACTOR).in_(pairs)]
