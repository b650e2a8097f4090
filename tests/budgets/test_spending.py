"""One interception's rounds: set aside before each, counted after it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from aibridge.budgets.book import Book
from aibridge.budgets.rules import Limit, meters
from aibridge.budgets.spending import Counting, Spending
from aibridge.errors import OverLimit, UpstreamError
from aibridge.model import PromptRecord, TokenUsage
from aibridge.pricing import Cost
from aibridge.store.budgets import Account
from tests.budgets.parts import CENT, PRICES, Clock, MemoryPost, asking, limit
from tests.twins import Answer, RecordSink, ScriptedUpstream

BODY = b'{"max_tokens": 10, "messages": "twenty-four bytes and some."}'  # fifteen tokens, and ten


class House:
    """Limits that are counted in memory, and posted when a test says so."""

    def __init__(self, *limits: Limit) -> None:
        self.limits, self.post, self.clock, self.refused = limits, MemoryPost(), Clock(), list[Account]()
        self.book = Book(self.post)

    def spending(self, actor: str = "ann") -> Spending:
        counting = Counting(self.book, PRICES, self.clock, self.refused.append)
        return Spending(counting, asking(actor), tuple(meters(self.limits, actor, "openai", "gpt-6")))

    async def reserve(self, spending: Spending, body: bytes = BODY) -> None:
        """Before a round; the database answers at once."""
        reserving = asyncio.create_task(spending.reserve(body))
        await asyncio.sleep(0)
        await self.book.flush()
        await reserving

    async def used(self) -> dict[str, tuple[int, int]]:
        """What is spent and set aside, by quantity; money in cents."""
        await self.book.flush()
        return {
            account.quantity: (one.spent // unit, one.reserved // unit)
            for account, one in self.post.balances.items()
            for unit in [CENT if account.quantity.startswith("dollars") else 1]
        }


@pytest.fixture
def house() -> House:
    return House(limit(requests_per_minute=2, tokens_per_minute=100, dollars_per_day=100, dollars_per_month=1000))


async def test_a_round_is_set_aside_and_then_counted(house: House) -> None:
    spending = house.spending()
    await house.reserve(spending)
    assert await house.used() == {
        "requests_per_minute": (1, 0),
        "tokens_per_minute": (0, 25),
        "dollars_per_day": (0, 25),
        "dollars_per_month": (0, 25),
    }
    spending.settle(TokenUsage(None, 5, 2))
    after = {
        "requests_per_minute": (1, 0),
        "tokens_per_minute": (7, 0),
        "dollars_per_day": (7, 0),
        "dollars_per_month": (7, 0),
    }
    assert await house.used() == after
    spending.end()
    assert await house.used() == after, "there is nothing left to give back"


async def test_a_request_counts_once_however_many_rounds_it_has(house: House) -> None:
    spending = house.spending()
    for _ in range(3):
        await house.reserve(spending)
        spending.settle(TokenUsage(None, 1, 1))
    assert (await house.used())["requests_per_minute"] == (1, 0)


async def test_a_round_without_usage_gives_back_what_was_set_aside(house: House) -> None:
    spending = house.spending()
    await house.reserve(spending)
    await house.reserve(spending)
    assert (await house.used())["dollars_per_day"] == (0, 25)
    spending.end()
    assert (await house.used())["dollars_per_day"] == (0, 0)


async def test_who_is_refused_money_has_used_no_request_and_no_tokens(house: House) -> None:
    spending = house.spending()
    await house.reserve(spending, b'{"max_tokens": 99}')
    spending.settle(TokenUsage(None, 0, 98))
    await house.reserve(spending)
    spending.settle(TokenUsage(None, 0, 2))
    before = await house.used()
    house.clock.later(minutes=1)
    with pytest.raises(OverLimit, match=r"\$1.00 of \$1.00 used") as refused:
        await house.reserve(house.spending())
    assert refused.value.status == 403
    assert await house.used() == before | {"requests_per_minute": (0, 0), "tokens_per_minute": (0, 0)}
    assert [account.quantity for account in house.refused] == ["dollars_per_day"]


async def test_a_round_over_midnight_counts_on_the_day_that_it_ends(house: House) -> None:
    spending = house.spending()
    await house.reserve(spending)
    house.clock.later(hours=12)
    spending.settle(TokenUsage(None, 5, 2))
    assert await house.used() == {
        "requests_per_minute": (1, 0),
        "tokens_per_minute": (7, 0),
        "dollars_per_day": (7, 0),
        "dollars_per_month": (7, 0),
    }


@pytest.mark.parametrize(("quantity", "most"), [("tokens_per_minute", 40), ("dollars_per_day", 40)])
async def test_what_others_have_set_aside_is_not_there(quantity: str, most: int) -> None:
    amounts: dict[str, Any] = {quantity: most}
    house = House(limit(per="all", **amounts))
    first, second = house.spending("ann"), house.spending("bob")
    await house.reserve(first)
    await house.reserve(second)
    with pytest.raises(OverLimit, match="set aside for requests under way") as refused:
        await house.reserve(house.spending("carol"))
    assert (refused.value.status, refused.value.retry_after) == (429, 5)
    first.end()
    await house.reserve(house.spending("carol"))


async def test_everybody_has_their_own(house: House) -> None:
    for actor in ("ann", "ann", "bob"):
        spending = house.spending(actor)
        await house.reserve(spending)
        spending.end()
    with pytest.raises(OverLimit, match="requests_per_minute"):
        await house.reserve(house.spending("ann"))


async def test_who_leaves_while_the_database_is_asked_has_used_nothing(house: House) -> None:
    spending, records = house.spending(), RecordSink()
    reserving = asyncio.create_task(spending.reserve(BODY))
    await asyncio.sleep(0)
    reserving.cancel()
    with suppress(asyncio.CancelledError):
        await reserving
    await spending.emit(records)(TokenUsage(None, 15, 0))
    spending.end()
    await house.book.flush()
    assert set((await house.used()).values()) == {(0, 0)}
    assert records.records == []


async def test_the_provider_is_asked_while_there_is_room() -> None:
    house = House(limit(tokens_per_minute=30))
    inner, records = ScriptedUpstream([Answer([b"one"]), UpstreamError("gone")]), RecordSink()
    spending = house.spending()
    upstream, emit = spending.upstream(inner), spending.emit(records)
    prompt, usage, guess = PromptRecord("Hi", None), TokenUsage(None, 10, 10), TokenUsage(None, 1, 0)

    async with upstream.open(BODY) as response:
        assert [data async for data in response] == [b"one"]
    await emit(prompt)
    await emit(usage)
    with pytest.raises(UpstreamError):
        async with upstream.open(BODY):
            pass
    with pytest.raises(OverLimit):
        async with house.spending().upstream(inner).open(BODY):
            pass
    await emit(usage)
    with pytest.raises(OverLimit):
        async with upstream.open(BODY):
            pass
    await emit(guess)

    assert inner.requests == [BODY, BODY]
    assert records.records == [prompt, usage, usage], "of the round that was never sent nothing is recorded"
    assert await house.used() == {"tokens_per_minute": (40, 0)}


async def test_a_price_that_is_gone_meanwhile_counts_as_nothing() -> None:
    house, known = House(limit(dollars_per_day=100)), [True]

    def price(provider: str, model: str, usage: TokenUsage) -> Cost | None:
        return PRICES(provider, model, usage) if known.pop() else None

    held = tuple(meters(house.limits, "ann", "openai", "gpt-6"))
    spending = Spending(Counting(house.book, price, house.clock, house.refused.append), asking(), held)
    await house.reserve(spending)
    known.append(False)
    spending.settle(TokenUsage(None, 5, 5))
    assert await house.used() == {"dollars_per_day": (0, 0)}
