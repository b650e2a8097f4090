"""An export takes as much memory as a batch of its rows, however many there are."""

import tracemalloc
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.audit.encoding import Format
from aibridge.audit.exports import KINDS, export
from aibridge.audit.queries.filters import Filters
from tests.audit.parts import NOW, add_many

ROWS = 4_000
FIRST = Filters(until=NOW - timedelta(hours=10) + timedelta(seconds=ROWS // 8))  # two start each second


async def peak(engine: AsyncEngine, kind: str, filters: Filters, form: Format) -> tuple[int, int]:
    """The bytes that were exported, and those that were held at most on the way."""
    size = 0
    tracemalloc.start()
    try:
        async for piece in export(engine, kind, filters, form):
            size += len(piece)
        return size, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_four_times_the_rows_take_no_more_memory(engine: AsyncEngine, kind: str, form: Format) -> None:
    await add_many(engine, ROWS)
    await peak(engine, kind, FIRST, form)  # with the first, connections and statements are made
    few, held_for_few = await peak(engine, kind, FIRST, form)
    all_, held_for_all = await peak(engine, kind, Filters(), form)
    assert all_ > 3.9 * few
    assert held_for_all < 1.2 * held_for_few
