"""What an interception used, summed up on its own row when it ends: so that pages need not go through every round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, Label, ScalarSelect, Subquery, cast, func, literal_column, select

from aibridge.recorder.rows import COLUMNS as ROWS
from aibridge.recorder.rows import Kind, Row
from aibridge.store.tables import TOTALS, interceptions, token_usages
from aibridge.store.times import seconds

COLUMNS = (*TOTALS, "took_ms")
"""What is summed up, in the order in which `joined` gives it."""

_OWNER = ROWS[Kind.TOKENS].index("interception_id")
_COST = ROWS[Kind.TOKENS].index("cost_micros")
_FIRST = ROWS[Kind.TOKENS].index(TOTALS[0])
_COUNTS = slice(_FIRST, _FIRST + 4)
_STARTED = ROWS[Kind.INTERCEPTION].index("started_at")
_ENDED = ROWS[Kind.END].index("ended_at")
_NOTHING = (0,) * len(TOTALS)


def joined(starts: Sequence[Row], ends: Mapping[object, Row], tokens: Sequence[Row]) -> list[Row]:
    """Interceptions that are over when they get here: COLUMNS, the end's own, then the start's.

    All their rounds are between the two, in `tokens`: no database needs to be asked for the sums.
    """
    sums = _sums(tokens)
    return [
        (*sums.get(start[0], _NOTHING), _took(start, end), *end[1:], *start)
        for start in starts
        if (end := ends.get(start[0])) is not None
    ]


def _sums(tokens: Sequence[Row]) -> dict[object, tuple[int, ...]]:
    found: dict[object, tuple[int, ...]] = {}
    for row in tokens:
        cost = row[_COST]
        mine = (*row[_COUNTS], cost or 0, int(cost is None))
        before = found.get(row[_OWNER])
        found[row[_OWNER]] = mine if before is None else tuple(map(sum, zip(before, mine, strict=True)))  # type: ignore[assignment,arg-type]  # rows are untyped
    return found


def _took(start: Row, end: Row) -> int:
    begun, ended = start[_STARTED], end[_ENDED]
    assert isinstance(begun, datetime) and isinstance(ended, datetime)  # noqa: S101, PT018  rows are untyped
    return round((ended - begun) / timedelta(milliseconds=1))


def summed(interception: ColumnElement[str]) -> Subquery:
    """The same sums of one interception as the database finds them: one row, with TOTALS as its columns.

    They are not added to, but found anew: a batch that is written twice counts once.
    """
    return select(*_found()).where(token_usages.c.interception_id == interception).subquery("found")


def of_each() -> dict[str, ScalarSelect[int]]:
    """The same for any number of interceptions that are changed at once."""
    mine = token_usages.c.interception_id == interceptions.c.id
    return {column.name: select(column).where(mine).correlate(interceptions).scalar_subquery() for column in _found()}


def _found() -> list[Label[int]]:
    table = token_usages.c
    sums = [
        func.coalesce(cast(func.sum(table[name]), BigInteger), literal_column("0")).label(name) for name in TOTALS[:-1]
    ]
    return [*sums, (func.count() - func.count(table.cost_micros)).label("unpriced")]


def took(ended: ColumnElement[datetime]) -> ColumnElement[int]:
    """For how long it was open, in milliseconds."""
    return cast(func.round(seconds(interceptions.c.started_at, ended) * literal_column("1000")), BigInteger)
