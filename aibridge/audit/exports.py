"""What can be exported, for the API and the command line alike."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.audit.encoding import Format, encoded
from aibridge.audit.queries import interceptions, rounds
from aibridge.audit.queries.filters import Filters
from aibridge.store import tables

KINDS = ("interceptions", "usage")

COLUMNS: dict[str, tuple[str, ...]] = {
    "interceptions": (*(column.name for column in tables.interceptions.c), "tool_calls", "injected_calls"),
    "usage": tuple(column.name for column in rounds.COLUMNS),
}


def export(engine: AsyncEngine, kind: str, filters: Filters, form: Format) -> AsyncIterator[bytes]:
    """One of KINDS in pieces, oldest first. `usage` has a row for each round, with who asked for it."""
    every = interceptions.every if kind == "interceptions" else rounds.every
    return encoded(every(engine, filters), COLUMNS[kind], form)
