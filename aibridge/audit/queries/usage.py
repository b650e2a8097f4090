"""Who and what used how much: counts, tokens, money and time, grouped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from aibridge.audit.queries.filters import Filters
from aibridge.audit.queries.interceptions import COUNTS, sums
from aibridge.audit.queries.paging import Row
from aibridge.audit.queries.times import day, hour, seconds
from aibridge.store.tables import interceptions, token_usages, tool_usages

GROUPS = ("actor", "model", "provider", "client", "tool", "day")
"""By what usage can be grouped in the API and in exports."""

_DIMENSIONS: dict[str, ColumnElement[str]] = {
    "actor": interceptions.c.initiator_id,
    "provider": interceptions.c.provider_name,
    "model": interceptions.c.model,
    "client": interceptions.c.client,
    "day": day(interceptions.c.started_at),
    "hour": hour(interceptions.c.started_at),
}
_TIMES = ("requests", "failed", "ended", "seconds")
MEASURES = (*_TIMES, *COUNTS, "unpriced")
"""What is counted. `seconds`: of all `ended` ones together."""


async def grouped(connection: AsyncConnection, filters: Filters, *by: str) -> list[Row]:
    """A row for each value of the dimensions (`actor`, `provider`, `model`, `client`, `day`, `hour`), with MEASURES."""
    keys = [_DIMENSIONS[name].label(name) for name in by]
    found: dict[tuple[Any, ...], Row] = {}
    for query in (_requests(keys), _tokens(keys)):
        for row in (await connection.execute(query.where(*filters.conditions()))).mappings():
            key = tuple(row[name] for name in by)
            found.setdefault(key, dict.fromkeys(by, "") | dict.fromkeys(MEASURES, 0)).update(row)
    return list(found.values())


async def by_tool(connection: AsyncConnection, filters: Filters) -> list[Row]:
    """A row for each tool and where it runs: `calls`, `failed`, and the mean `seconds` of the injected ones."""
    table = tool_usages.c
    taken = seconds(table.created_at, table.completed_at)
    keys = table.tool, table.server_url, table.injected
    query = (
        select(*keys, func.count().label("calls"), _count(table.invocation_error.is_not(None)).label("failed"),
               func.avg(taken).label("seconds"), func.max(table.created_at).label("last_at"))
        # Outer, so that SQLite begins with the interceptions that are meant; those without a call make a row of nulls.
        .select_from(interceptions.outerjoin(tool_usages, table.interception_id == interceptions.c.id))
        .where(*filters.conditions())
        .group_by(*keys)
    )  # fmt: skip
    if filters.tool is not None:
        query = query.where(table.tool == filters.tool)
    rows = [dict(row) for row in (await connection.execute(query)).mappings() if row["tool"] is not None]
    return sorted(rows, key=lambda row: (-row["calls"], row["tool"]))


def rolled_up(rows: Iterable[Row], by: str) -> list[Row]:
    """Rows of several dimensions, added up by one of them; the costliest first, then the busiest."""
    found: dict[str, Row] = defaultdict(lambda: dict.fromkeys(MEASURES, 0))
    for row in rows:
        total = found[row[by]]
        for name in MEASURES:
            total[name] += row[name]
    return ranked([{by: key, **total} for key, total in found.items()])


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
    return sum(int(row[name]) for name in COUNTS[:4])


def _requests(keys: Sequence[Any]) -> Select[Any]:
    table = interceptions.c
    taken = case((table.status == "completed", seconds(table.started_at, table.ended_at)))
    columns = (
        func.count().label("requests"),
        _count(table.status.in_(("failed", "crashed"))).label("failed"),
        func.count(taken).label("ended"),
        func.coalesce(func.sum(taken), 0.0).label("seconds"),
    )
    return select(*keys, *columns).select_from(interceptions).group_by(*_elements(keys))


def _tokens(keys: Sequence[Any]) -> Select[Any]:
    # An outer join, which SQLite does not turn round: else it might look through the tokens of all times.
    joined = interceptions.outerjoin(token_usages, token_usages.c.interception_id == interceptions.c.id)
    return select(*keys, *sums()).select_from(joined).group_by(*_elements(keys))


def _elements(keys: Sequence[Any]) -> list[Any]:
    return [key.element for key in keys]


def _count(condition: ColumnElement[bool]) -> Any:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0).cast(Integer)
