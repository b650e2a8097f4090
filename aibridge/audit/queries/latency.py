"""How long requests took: by percentiles, for a mean says little where a few take minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from aibridge.audit.queries.filters import Filters
from aibridge.audit.queries.usage import DIMENSIONS, meant
from aibridge.store.tables import interceptions

Times = Mapping[int, int]
"""How many requests took so many milliseconds."""

_FIGURES = 8  # of the largest number of milliseconds that is rounded: a day has as many


async def latencies(connection: AsyncConnection, filters: Filters, *by: str) -> dict[tuple[Any, ...], Times]:
    """The completed requests of each value of the dimensions, by how long they took.

    Times are rounded to two figures: the database sends some hundred rows, however many requests there were.
    """
    keys = [DIMENSIONS[name] for name in by]
    rounded = _rounded(interceptions.c.took_ms)
    # The time first: SQLite sorts, and numbers that differ are compared sooner than days that do not.
    query: Any = select(*keys, rounded, func.count()).group_by(rounded, *keys)
    completed = interceptions.c.status == "completed", interceptions.c.took_ms.is_not(None)
    found: dict[tuple[Any, ...], dict[int, int]] = {}
    rows: Any = await connection.execute(meant(query, connection, filters, by).where(*completed))
    for *key, took, count in rows:
        found.setdefault(tuple(key), {})[took] = count
    return found  # type: ignore[return-value]  # a dict's values are invariant


def together(times: Iterable[Times]) -> Times:
    """All of them in one."""
    whole: Counter[int] = Counter()
    for one in times:
        whole.update(one)
    return whole


def percentile(times: Times, share: float) -> float | None:
    """The seconds that this share of the requests did not exceed; None where there was none."""
    rank = share * sum(times.values())
    for took in sorted(times):
        rank -= times[took]
        if rank <= 0:
            return took / 1000
    return None


def percentiles(times: Times) -> dict[str, float | None]:
    """Those that are shown."""
    return {"p50_seconds": percentile(times, 0.5), "p95_seconds": percentile(times, 0.95)}


def _rounded(took: Column[int | None]) -> ColumnElement[int]:
    # Written out, and not bound: PostgreSQL must see that what is selected is what is grouped by.
    name = f"{took.table.name}.{took.name}"
    tens = [10**figures for figures in range(1, _FIGURES - 1)]
    cases = "".join(f" WHEN {name} < {100 * ten} THEN ({name} + {ten // 2}) / {ten} * {ten}" for ten in tens)
    return literal_column(f"CASE WHEN {name} < 100 THEN {name}{cases} ELSE {name} END", BigInteger)
