"""Interceptions, newest first, each with what it used."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, Integer, Select, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from aibridge.audit.queries.filters import Filters
from aibridge.audit.queries.paging import Cursor, Page, Row, beyond, paged
from aibridge.store.tables import interceptions, token_usages, tool_usages, user_prompts

LIMIT = 50
BATCH = 500

_SNIPPET = 300  # characters

COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens", "cost_micros")


def sums() -> list[Any]:
    """What token usages add up to. `unpriced`: how many of their rounds have no known price."""
    # PostgreSQL makes the sum of big integers a decimal number, which JSON would show as text.
    columns = [func.coalesce(cast(func.sum(token_usages.c[name]), BigInteger), 0).label(name) for name in COUNTS]
    return [*columns, (func.count(token_usages.c.id) - func.count(token_usages.c.cost_micros)).label("unpriced")]


async def page(
    connection: AsyncConnection, filters: Filters, *, limit: int = LIMIT, after: Cursor | None = None
) -> Page:
    """The newest that are meant, or those older than the cursor."""
    query = _ordered(filters, after, ascending=False).limit(limit + 1)
    rows = [dict(row) for row in (await connection.execute(query)).mappings()]
    found = paged(rows, limit, "started_at", "id")
    await _add_totals(connection, found.rows)
    return found


async def one(connection: AsyncConnection, id_: str, owner: str | None) -> Row | None:
    """The one of this id, if this owner may see it."""
    query = select(interceptions).where(interceptions.c.id == id_, *Filters(owner=owner).conditions())
    rows = [dict(row) for row in (await connection.execute(query)).mappings()]
    await _add_totals(connection, rows)
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
            await _add_totals(connection, rows)
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


async def _add_totals(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    tokens = await _by_id(connection, _tokens(_ids(rows)))
    calls = await _by_id(connection, _calls(_ids(rows)))
    for row in rows:
        row.update(tokens.get(row["id"]) or dict.fromkeys((*COUNTS, "unpriced"), 0))
        row.update(calls.get(row["id"]) or {"tool_calls": 0, "injected_calls": 0})


def _tokens(ids: list[str]) -> Select[Any]:
    owner = token_usages.c.interception_id
    return select(owner, *sums()).where(owner.in_(ids)).group_by(owner)


def _calls(ids: list[str]) -> Select[Any]:
    owner = tool_usages.c.interception_id
    injected = func.sum(cast(tool_usages.c.injected, Integer))
    counts = func.count().label("tool_calls"), injected.label("injected_calls")
    return select(owner, *counts).where(owner.in_(ids)).group_by(owner)


async def _by_id(connection: AsyncConnection, query: Select[Any]) -> dict[str, Row]:
    found = [dict(row) for row in (await connection.execute(query)).mappings()]
    return {row.pop("interception_id"): row for row in found}


def _ids(rows: Sequence[Row]) -> list[str]:
    return [row["id"] for row in rows]
