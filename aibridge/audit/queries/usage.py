"""Who and what used how much: counts, tokens and money, grouped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    case,
    cast,
    func,
    null,
    select,
    text,
    tuple_,
    union_all,
)
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

# PostgreSQL does not know how few days there are, and would sort on disk what it can count in memory.
_ROOM = text("SET LOCAL work_mem = '32MB'")


async def grouped(connection: AsyncConnection, filters: Filters, *by: str) -> list[Row]:
    """A row for each value of the DIMENSIONS that are named, with MEASURES."""
    query = _grouped(connection, filters, by)
    names = (*by, *MEASURES)
    return [dict(zip(names, row, strict=True)) for row in await connection.execute(query)]


async def by_each(connection: AsyncConnection, filters: Filters, first: str, *rest: str) -> dict[str, list[Row]]:
    """What `grouped` gives for each of these DIMENSIONS by itself, found in one pass over the interceptions."""
    by = (first, *rest)
    if connection.dialect.name == "sqlite":
        query: Any = _in_steps(connection, filters, by)
    else:
        await connection.execute(_ROOM)
        query = _in_sets(connection, filters, by)
    found: dict[str, list[Row]] = {name: [] for name in by}
    for row in await connection.execute(query):
        keys, measures = row[: len(by)], row[len(by) :]
        name, key = next((name, key) for name, key in zip(by, keys, strict=True) if key is not None)
        found[name].append({name: key, **dict(zip(MEASURES, measures, strict=True))})
    return found


def _grouped(connection: AsyncConnection, filters: Filters, by: Sequence[str]) -> Select[Any]:
    keys: list[Any] = [DIMENSIONS[name].label(name) for name in by]
    query = select(*keys, *_counts(), *sums()).group_by(*(DIMENSIONS[name] for name in by))
    return meant(query, connection, filters, by)


def _in_sets(connection: AsyncConnection, filters: Filters, by: Sequence[str]) -> Select[Any]:
    sets = func.grouping_sets(*(tuple_(DIMENSIONS[name]) for name in by))
    return _grouped(connection, filters, by).group_by(None).group_by(sets)


def _in_steps(connection: AsyncConnection, filters: Filters, by: Sequence[str]) -> CompoundSelect[Any]:
    """SQLite has no grouping sets. Its index gives the finest groups in their order, and few are left to be sorted."""
    finest = _grouped(connection, filters, by).cte()
    rest = _summed(finest, *by[1:]).cte()

    def alone(source: CTE, name: str) -> Select[Any]:
        keys = [source.c[one] if one == name else null().label(one) for one in by]
        return _summed(source, name).with_only_columns(*keys, *_sums_of(source))

    return union_all(alone(finest, by[0]), *(alone(rest, name) for name in by[1:]))


def _summed(source: CTE, *by: str) -> Select[Any]:
    keys = [source.c[name] for name in by]
    return select(*keys, *_sums_of(source)).group_by(*keys)


def _sums_of(source: CTE) -> list[ColumnElement[int]]:
    return [func.sum(source.c[name]).label(name) for name in MEASURES]


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


async def by_tool(connection: AsyncConnection, filters: Filters) -> list[Row]:
    """A row for each tool and where it runs: `calls`, `failed`, `last_at`, and the mean `seconds` of the injected ones.

    The most called come first.
    """
    table = tool_usages.c
    last = func.max(table.created_at).label("last_at")
    taken = func.avg(seconds(table.created_at, table.completed_at)).label("seconds")
    return await _called(connection, filters, (table.tool, table.server, table.server_url, table.injected), last, taken)


async def by_tool_name(connection: AsyncConnection, filters: Filters) -> list[Row]:
    """A row for each tool, wherever it runs: `calls` and `failed`. This takes half as long."""
    return await _called(connection, filters, (tool_usages.c.tool, tool_usages.c.injected))


async def _called(
    connection: AsyncConnection, filters: Filters, keys: Sequence[Column[Any]], *more: ColumnElement[Any]
) -> list[Row]:
    failed = _count(tool_usages.c.invocation_error.is_not(None)).label("failed")
    query = select(*keys, func.count().label("calls"), failed, *more).where(*_calls_meant(filters)).group_by(*keys)
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
