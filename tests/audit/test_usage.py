"""What was used, added up: each way of doing so says the same, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.audit.queries import usage
from aibridge.audit.queries.filters import Filters
from tests.audit.parts import NOW, add, add_call, add_tokens


@pytest.mark.parametrize("first", ["day", "hour"])
@pytest.mark.parametrize(
    ("filters", "requests"), [(Filters(), 24), (Filters(since=NOW - timedelta(hours=14), actor="ada"), 8)]
)
async def test_one_pass_says_of_each_what_it_says_alone(
    engine: AsyncEngine, first: str, filters: Filters, requests: int
) -> None:
    for number in range(24):
        actor, model, status = ("ada", "grace")[number % 2], "abc"[number % 3], ("completed", "failed")[number % 5 == 0]
        await add(engine, f"i{number}", ago=timedelta(hours=number), initiator_id=actor, model=model, status=status)
        await add_tokens(engine, f"i{number}", cost=None if number % 4 == 0 else number)
    dimensions = first, "actor", "model", "client"
    async with engine.connect() as connection:
        found = await usage.by_each(connection, filters, *dimensions)
        for name in dimensions:
            alone = await usage.grouped(connection, filters, name)
            assert sorted(found[name], key=str) == sorted(alone, key=str)
            assert sum(row["requests"] for row in alone) == requests


async def test_a_tool_is_one_wherever_it_runs(engine: AsyncEngine) -> None:
    await add(engine, "i")
    await add_call(engine, "i", "bash")
    for server, wrong in (("one", None), ("two", "it is down"), ("two", None)):
        await add_call(engine, "i", "search", injected=True, server=server, invocation_error=wrong)
    async with engine.connect() as connection:
        assert await usage.by_tool_name(connection, Filters()) == [
            {"tool": "search", "injected": True, "calls": 3, "failed": 1},
            {"tool": "bash", "injected": False, "calls": 1, "failed": 0},
        ]
