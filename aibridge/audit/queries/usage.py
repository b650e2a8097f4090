"""Who and what used how much: counts, tokens and money, grouped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from aibridge.audit.queries.filters import Filters
from aibridge.audit.queries.paging import Row
from aibridge.store.tables import TOTALS, interceptions, tool_usages
from aibridge.store.times import day, hour, seconds

GROUPS = ("actor", "model", "provider", "client", "tool", "day")
"""By what usage can be grouped in the API and in exports."""

DIMENSIONS: dict[str, ColumnElement[str]] = {
    "actor": interceptions.c.initiator_id,
    "provider": interceptions.c.provider_name,
    "model": interceptions.c.model,
    "client": interceptions.c.client,
    "day": day(interceptions.c.started_at),
    "hour": hour(interceptions.c.started_at),
}
"""By what interceptions can be grouped."""

MEASURES = ("requests", "failed", "completed", *TOTALS)
"""What is counted and added up. What a request used counts once it is over."""


async def grouped(connection: AsyncConnection, filters: Filters, *by: str) -> list[Row]:
    """A row for each value of the DIMENSIONS that are named, with MEASURES."""
    keys: list[Any] = [DIMENSIONS[name] for name in by]
    query: Any = select(*keys, *_counts(), *sums()).group_by(*keys)
    query = meant(query, connection, filters, by)
    names = (*by, *MEASURES)
    return [dict(zip(names, row, strict=True)) for row in await connection.execute(query)]


def sums() -> list[ColumnElement[int]]:
    """TOTALS, added up."""
    # PostgreSQL makes the sum of big integers a decimal number, which JSON would show as text.
    return [func.coalesce(cast(func.sum(interceptions.c[name]), BigInteger), 0).label(name) for name in TOTALS]


def meant(query: Select[Any], connection: AsyncConnection, filters: Filters, by: Sequence[str]) -> Select[Any]:
    """The query of what the filters mean; `by`: what it is grouped by."""
    query = query.where(*filters.conditions())
    if connection.dialect.name == "sqlite" and "day" in by and filters.since is not None:
        # Its index for this begins with the day: one that only knows the moment would not use it.
        query = query.where(DIMENSIONS["day"] >= f"{filters.since:%Y-%m-%d}")
    return query


async def by_tool(connection: AsyncConnection, filters: Filters, *, timed: bool = True) -> list[Row]:
    """A row for each tool and where it runs: `calls`, `failed`, `last_at`, and the mean `seconds` of the injected ones.

    `timed`: whether the seconds are asked for, which takes longer than all else.
    """
    table = tool_usages.c
    taken = seconds(table.created_at, table.completed_at)
    keys = table.tool, table.server, table.server_url, table.injected
    columns = (
        func.count().label("calls"),
        _count(table.invocation_error.is_not(None)).label("failed"),
        func.max(table.created_at).label("last_at"),
        *([func.avg(taken).label("seconds")] if timed else []),
    )
    query = select(*keys, *columns).where(*_calls_meant(filters)).group_by(*keys)
    rows = [dict(row) for row in (await connection.execute(query)).mappings()]
    return sorted(rows, key=lambda row: (-row["calls"], row["tool"]))


def _calls_meant(filters: Filters) -> list[ColumnElement[bool]]:
    """The calls of a time, or of the interceptions that more is said of."""
    table = tool_usages.c
    found = [] if filters.tool is None else [table.tool == filters.tool]
    if filters.only_in_time():
        since, until = filters.since, filters.until
        return [*found, *([table.created_at >= since] if since else []), *([table.created_at < until] if until else [])]
    ids = select(interceptions.c.id).where(*filters.conditions())
    return [*found, table.interception_id.in_(ids)]


def rolled_up(rows: Iterable[Row], by: str) -> list[Row]:
    """Rows of several dimensions, added up by one of them; the costliest first, then the busiest."""
    found: dict[str, list[int]] = {}
    for row in rows:
        totals = found.get(row[by])
        if totals is None:
            totals = found[row[by]] = [0] * len(MEASURES)
        for place, name in enumerate(MEASURES):
            totals[place] += row[name]
    return ranked([{by: key, **dict(zip(MEASURES, totals, strict=True))} for key, totals in found.items()])


def ranked(rows: Sequence[Row]) -> list[Row]:
    """The costliest first, then those with the most tokens, then the busiest."""
    return sorted(rows, key=lambda row: (-row["cost_micros"], -tokens_of(row), -row["requests"]))


def total(rows: Iterable[Row]) -> Row:
    """All rows in one."""
    sums_ = dict.fromkeys(MEASURES, 0)
    for row in rows:
        for name in MEASURES:
            sums_[name] += row[name]
    return sums_


def tokens_of(row: Row) -> int:
    """All tokens, in and out, cached or not."""
    return sum(int(row[name]) for name in TOTALS[:4])


def _counts() -> list[ColumnElement[int]]:
    status = interceptions.c.status
    return [
        func.count().label("requests"),
        _count(status.in_(("failed", "crashed"))).label("failed"),
        _count(status == "completed").label("completed"),
    ]


def _count(condition: ColumnElement[bool]) -> Any:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0).cast(Integer)
