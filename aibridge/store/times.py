"""Time in SQL, where the two databases have no word in common."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Float, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

Bucket = Literal["day", "hour"]

_LENGTHS: dict[Bucket, int] = {"day": len("2026-11-20"), "hour": len("2026-11-20 07")}
_PATTERNS: dict[Bucket, str] = {"day": "YYYY-MM-DD", "hour": "YYYY-MM-DD HH24"}


class day(FunctionElement[str]):  # noqa: N801  a function of SQL, spelt as one
    """The day of a moment in UTC: `2026-11-20`."""

    type = Text()
    inherit_cache = True
    unit: Bucket = "day"


class hour(day):  # noqa: N801
    """The hour of a moment in UTC: `2026-11-20 07`."""

    inherit_cache = True
    unit: Bucket = "hour"


class seconds(FunctionElement[float]):  # noqa: N801
    """How long it is from one moment to another; null where either is."""

    type = Float()
    inherit_cache = True


@compiles(day, "sqlite")
@compiles(hour, "sqlite")
def _sqlite_bucket(element: day, compiler: SQLCompiler, **options: Any) -> str:
    return f"substr({compiler.process(element.clauses, **options)}, 1, {_LENGTHS[element.unit]})"


@compiles(day, "postgresql")
@compiles(hour, "postgresql")
def _postgresql_bucket(element: day, compiler: SQLCompiler, **options: Any) -> str:
    moment = compiler.process(element.clauses, **options)
    return f"to_char({moment} AT TIME ZONE 'UTC', '{_PATTERNS[element.unit]}')"


@compiles(seconds, "sqlite")
def _sqlite_seconds(element: seconds, compiler: SQLCompiler, **options: Any) -> str:
    begin, end = (compiler.process(one, **options) for one in element.clauses)
    return f"(julianday({end}) - julianday({begin})) * 86400.0"


@compiles(seconds, "postgresql")
def _postgresql_seconds(element: seconds, compiler: SQLCompiler, **options: Any) -> str:
    begin, end = (compiler.process(one, **options) for one in element.clauses)
    return f"CAST(EXTRACT(EPOCH FROM {end} - {begin}) AS DOUBLE PRECISION)"
