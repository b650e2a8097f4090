"""Limits that change while they hold."""

from __future__ import annotations

from typing import Any

import pytest

from aibridge.budgets import open_budgets
from aibridge.errors import OverLimit
from aibridge.model import TokenUsage
from aibridge.ports import NoBudgets, Upstream
from aibridge.store.budgets import Account
from tests.budgets.parts import Clock, asking, limit, limited
from tests.databases import Database
from tests.twins import Answer, RecordSink, ScriptedUpstream

pytestmark = pytest.mark.only_on("sqlite")


async def ask(upstream: Upstream) -> None:
    async with upstream.open(b"{}"):
        pass


def provider() -> ScriptedUpstream:
    return ScriptedUpstream([Answer([])] * 9)


async def test_without_limits_nothing_is_in_the_way() -> None:
    asked: list[Any] = []
    nowhere = "postgresql://nobody@127.0.0.1:9/nothing"
    async with open_budgets(nowhere, (), lambda *what: asked.append(what), refused=asked.append) as budgets:
        assert isinstance(budgets.of(asking()), NoBudgets)
    assert asked == []


async def test_who_is_under_no_limit_has_nothing_in_the_way(database: Database) -> None:
    async with limited(database.url, limit(actor="bob", requests_per_minute=1)) as house:
        inner, records = provider(), RecordSink()
        budget = house.budgets.of(asking("ann"))
        assert budget.upstream(inner) is inner
        assert budget.emit(records) is records
        assert house.budgets.of(asking("bob")).upstream(inner) is not inner


async def test_prices_are_read_before_anybody_waits_for_them(database: Database) -> None:
    asked: list[str] = []

    def price(provider: str, model: str, usage: TokenUsage) -> None:
        asked.append(model)

    url, mine = database.url, limit(tokens_per_minute=1)
    async with open_budgets(url, [mine], price, refused=list[Account]().append) as budgets:
        assert asked == []
        await budgets.renew([limit(dollars_per_day=1)])
        assert len(asked) == 1


async def test_a_limit_that_changes_goes_on_with_what_was_used(database: Database) -> None:
    async with limited(database.url, limit(requests_per_minute=1)) as house:
        await ask(house.budgets.of(asking()).upstream(provider()))
        with pytest.raises(OverLimit):
            await ask(house.budgets.of(asking()).upstream(provider()))
        await house.budgets.renew([limit(requests_per_minute=2)])
        await ask(house.budgets.of(asking()).upstream(provider()))
        with pytest.raises(OverLimit):
            await ask(house.budgets.of(asking()).upstream(provider()))
        await house.budgets.renew([])
        await ask(house.budgets.of(asking()).upstream(provider()))


async def test_what_was_used_is_there_after_a_restart(database: Database) -> None:
    clock, mine = Clock(), limit(requests_per_minute=1, dollars_per_month=500)
    async with limited(database.url, mine, clock=clock) as house:
        budget = house.budgets.of(asking())
        await ask(budget.upstream(provider()))
        budget.end()
    (requests,) = database.query("SELECT * FROM aibridge_budgets WHERE quantity = 'requests_per_minute'")
    assert (requests["actor"], requests["spent"], requests["reserved"]) == ("ann", 1, 0)
    (money,) = database.query("SELECT * FROM aibridge_budgets WHERE quantity = 'dollars_per_month'")
    assert (money["spent"], money["reserved"], money["began_at"][:10]) == (0, 0, "2026-11-01")
