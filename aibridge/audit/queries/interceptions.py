"""Interceptions, newest first, each with what it used and how many tools were called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Integer, Select, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from aibridge.audit.queries.filters import Filters
from aibridge.audit.queries.paging import Cursor, Page, Row, beyond, paged
from aibridge.store.tables import interceptions, tool_usages, user_prompts

LIMIT = 50
BATCH = 500

_SNIPPET = 300  # characters


async def page(
    connection: AsyncConnection, filters: Filters, *, limit: int = LIMIT, after: Cursor | None = None
) -> Page:
    """The newest that are meant, or those older than the cursor."""
    query = _ordered(filters, after, ascending=False).limit(limit + 1)
    rows = [dict(row) for row in (await connection.execute(query)).mappings()]
    found = paged(rows, limit, "started_at", "id")
    await _add_calls(connection, found.rows)
    return found


async def one(connection: AsyncConnection, id_: str, owner: str | None) -> Row | None:
    """The one of this id, if this owner may see it."""
    query = select(interceptions).where(interceptions.c.id == id_, *Filters(owner=owner).conditions())
    rows = [dict(row) for row in (await connection.execute(query)).mappings()]
    await _add_calls(connection, rows)
    return rows[0] if rows else None


async def every(engine: AsyncEngine, filters: Filters, *, batch: int = BATCH) -> AsyncIterator[Row]:
    """All that are meant, oldest first, with a batch of them in memory at a time.

    Each batch is read by itself: a reader that takes its time keeps no transaction open.
    """
    after: Cursor | None = None
    while True:
        async with engine.connect() as connection:
            query = _ordered(filters, after, ascending=True).limit(batch)
            rows = [dict(row) for row in (await connection.execute(query)).mappings()]
            await _add_calls(connection, rows)
        for row in rows:
            yield row
        if len(rows) < batch:
            return
        after = Cursor(rows[-1]["started_at"], rows[-1]["id"])


async def add_snippets(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Gives each row `prompt`, the beginning of what was asked; None where that is not kept."""
    text = func.substr(user_prompts.c.prompt, 1, _SNIPPET)
    query = select(user_prompts.c.interception_id, text).where(user_prompts.c.interception_id.in_(_ids(rows)))
    prompts: dict[str, str] = dict((await connection.execute(query)).all())
    for row in rows:
        row["prompt"] = prompts.get(row["id"]) or None


def _ordered(filters: Filters, after: Cursor | None, *, ascending: bool) -> Select[Any]:
    at, id_ = interceptions.c.started_at, interceptions.c.id
    query = select(interceptions).where(*filters.conditions())
    if after is not None:
        query = query.where(beyond(at, id_, after, ascending=ascending))
    return query.order_by(at, id_) if ascending else query.order_by(at.desc(), id_.desc())


async def _add_calls(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    owner = tool_usages.c.interception_id
    injected = func.sum(cast(tool_usages.c.injected, Integer))
    query = select(owner, func.count(), injected).where(owner.in_(_ids(rows))).group_by(owner)
    found = {id_: counts for id_, *counts in await connection.execute(query)}
    for row in rows:
        row["tool_calls"], row["injected_calls"] = found.get(row["id"], (0, 0))


def _ids(rows: Sequence[Row]) -> list[str]:
    return [row["id"] for row in rows]
