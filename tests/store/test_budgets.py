"""What has been used of the limits, in a real database: each change whole, and one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.store.budgets import Account, Balance, Entry, Full, Trouble, post
from aibridge.store.engine import open_engine
from tests.databases import Database
from tests.waiting import eventually

TODAY = datetime(2026, 11, 20, tzinfo=UTC)
TOMORROW = TODAY + timedelta(days=1)
ANN, BOB = Account("mine", "dollars_per_day", "ann"), Account("mine", "dollars_per_day", "bob")


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database.url)
    yield engine
    await engine.dispose()


async def balance(engine: AsyncEngine, account: Account = ANN) -> Balance:
    """How it stands, asked with an entry of nothing."""
    balances, _ = await post(engine, [Entry(account, TODAY)], [])
    return balances[account]


async def test_entries_add_up(engine: AsyncEngine) -> None:
    await post(engine, [Entry(ANN, TODAY, spent=3, reserved=5), Entry(BOB, TODAY, spent=100)], [])
    balances, _ = await post(engine, [Entry(ANN, TODAY, spent=4, reserved=-5)], [])
    assert balances == {ANN: Balance(TODAY, 7, 0)}
    assert await balance(engine, BOB) == Balance(TODAY, 100, 0)


async def test_with_a_new_day_all_begins_anew(engine: AsyncEngine) -> None:
    await post(engine, [Entry(ANN, TODAY, spent=3, reserved=5)], [])
    await post(engine, [Entry(ANN, TOMORROW, spent=1)], [])
    assert await balance(engine) == Balance(TOMORROW, 1, 0)


async def test_what_belongs_to_a_day_that_is_over_changes_nothing(engine: AsyncEngine) -> None:
    await post(engine, [Entry(ANN, TOMORROW, spent=1)], [])
    await post(engine, [Entry(ANN, TODAY, spent=3, reserved=-5)], [])
    assert await balance(engine) == Balance(TOMORROW, 1, 0)


async def test_more_than_was_set_aside_is_not_given_back(engine: AsyncEngine) -> None:
    await post(engine, [Entry(ANN, TODAY, reserved=-5)], [])
    assert await balance(engine) == Balance(TODAY, 0, 0)


async def test_a_claim_is_granted_while_there_is_any_room(engine: AsyncEngine) -> None:
    claim = Entry(ANN, TODAY, reserved=6, most=10)
    _, answers = await post(engine, [], [[claim], [claim], [claim]])
    assert answers == [None, None, Full(claim, Balance(TODAY, 0, 12))]
    assert await balance(engine) == Balance(TODAY, 0, 12)


async def test_a_claim_is_granted_wholly_or_not_at_all(engine: AsyncEngine) -> None:
    await post(engine, [Entry(BOB, TODAY, spent=10)], [])
    full = Entry(BOB, TODAY, reserved=1, most=10)
    _, answers = await post(engine, [], [[Entry(ANN, TODAY, reserved=1, most=10), full]])
    assert answers == [Full(full, Balance(TODAY, 10, 0))]
    assert await balance(engine) == Balance(TODAY, 0, 0)


async def test_a_claim_of_a_new_day_finds_room(engine: AsyncEngine) -> None:
    await post(engine, [Entry(ANN, TODAY, spent=10)], [])
    balances, answers = await post(engine, [], [[Entry(ANN, TOMORROW, reserved=1, most=10)]])
    assert (answers, balances) == ([None], {ANN: Balance(TOMORROW, 0, 1)})


async def test_a_gateway_whose_clock_is_late_heeds_the_day_that_has_begun(engine: AsyncEngine) -> None:
    await post(engine, [Entry(ANN, TOMORROW, spent=10)], [])
    late = Entry(ANN, TODAY, reserved=1, most=10)
    _, answers = await post(engine, [], [[late]])
    assert answers == [Full(late, Balance(TOMORROW, 10, 0))]


async def test_nothing_is_nothing(engine: AsyncEngine) -> None:
    assert await post(engine, [], []) == ({}, [])


async def test_of_many_at_once_from_several_gateways_none_is_lost_or_let_in_too_many(database: Database) -> None:
    engines = [open_engine(database.url) for _ in range(3)]
    claim = [Entry(ANN, TODAY, reserved=1, most=20), Entry(BOB, TODAY, reserved=1, most=100)]
    turned = [claim, claim[::-1]]
    posts = [post(engines[n % 3], [Entry(BOB, TODAY, spent=1)], [turned[n % 2]]) for n in range(30)]
    answers = [answer for _, (answer,) in await asyncio.gather(*posts)]
    assert answers.count(None) == 20
    assert await balance(engines[0]) == Balance(TODAY, 0, 20)
    assert await balance(engines[0], BOB) == Balance(TODAY, 30, 20)
    for engine in engines:
        await engine.dispose()


@pytest.mark.only_on("postgresql")
async def test_rows_are_locked_in_one_order_whatever_order_they_are_asked_for(database: Database) -> None:
    """So of two that ask for the same ones neither can have what the other waits for."""
    engine, other = open_engine(database.url), open_engine(database.url)
    await post(engine, [Entry(ANN, TODAY), Entry(BOB, TODAY)], [])
    async with other.begin() as holder:
        await holder.execute(_LOCK, {"actor": "ann"})
        waiting = asyncio.create_task(post(engine, [Entry(BOB, TODAY, spent=1), Entry(ANN, TODAY, spent=1)], []))
        await eventually(lambda: database.query("SELECT pid FROM pg_locks WHERE NOT granted"))
        assert (await holder.execute(_LOCK, {"actor": "bob"})).all(), "it waits for ann, and holds nothing yet"
    await waiting
    assert await balance(engine) == await balance(engine, BOB) == Balance(TODAY, 1, 0)
    await engine.dispose()
    await other.dispose()


_LOCK = text("SELECT actor FROM aibridge_budgets WHERE actor = :actor FOR UPDATE SKIP LOCKED")


async def test_trouble_is_what_is_raised(engine: AsyncEngine, database: Database) -> None:
    database.query("DROP TABLE aibridge_budgets")
    with pytest.raises(Trouble):
        await post(engine, [Entry(ANN, TODAY)], [])


def test_an_entry_is_taken_back() -> None:
    entry = Entry(ANN, TODAY, 2, 3, 4)
    assert entry.undone() == replace(entry, spent=-2, reserved=-3)
