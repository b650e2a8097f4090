"""What the tests of limits count with: a clock of their own, prices in whole cents, and somebody who asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.exc import OperationalError

from aibridge.budgets import Limit, LiveBudgets, open_budgets
from aibridge.model import Actor, Interception
from aibridge.pricing import OwnPrice, Prices
from aibridge.store.budgets import Account, Balance, Balances, Claim, Entry, Full, claimed

NOON = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)
CENT = 10_000
"""In millionths of a dollar."""

PRICES = Prices([OwnPrice("gpt-6*", input=10_000, output=10_000)])  # a cent a token


@dataclass
class Clock:
    """Stands still until it is told."""

    time: datetime = NOON

    def __call__(self) -> datetime:
        return self.time

    def later(self, **ago: float) -> None:
        self.time += timedelta(**ago)


@dataclass
class MemoryPost:
    """A database in memory, which can be down. Several books may share it."""

    balances: Balances = field(default_factory=dict)
    posts: list[tuple[list[Entry], list[Claim]]] = field(default_factory=list)
    down: bool = False

    async def __call__(self, entries: Sequence[Entry], claims: Sequence[Claim]) -> tuple[Balances, list[Full | None]]:
        self.posts.append(([*entries], [*claims]))
        if self.down:
            raise OperationalError(None, None, Exception("it is down\nwith secrets"))
        touched = {entry.account: entry for entry in [*entries, *(one for claim in claims for one in claim)]}
        for account, entry in touched.items():
            self.balances.setdefault(account, Balance(entry.window))
        for entry in entries:
            self.balances[entry.account] = self.balances[entry.account].after(entry)
        answers = [claimed(self.balances, claim) for claim in claims]
        return {account: self.balances[account] for account in touched}, answers


def limit(name: str = "mine", **more: Any) -> Limit:
    """One as an operator would write it; the amounts in requests, tokens and cents."""
    quantities = ("requests_per_minute", "tokens_per_minute", "dollars_per_day", "dollars_per_month")
    most = {one: more.pop(one) for one in quantities if one in more}
    money = {one: cents * CENT for one, cents in most.items() if one.startswith("dollars")}
    return Limit(name, most | money, **more)


def asking(actor: str = "ann", *, provider: str = "openai", model: str = "gpt-6") -> Interception:
    return Interception(
        id="i",
        actor=Actor(actor),
        provider="openai",
        provider_name=provider,
        dialect="chat_completions",
        method="POST",
        route="/v1/chat/completions",
        model=model,
        streaming=False,
        client="",
        started_at=NOON,
    )


@dataclass
class House:
    """Limits in force, what they are counted by, and what they have refused."""

    budgets: LiveBudgets
    clock: Clock
    refused: list[Account]


@asynccontextmanager
async def limited(url: str, *limits: Limit, clock: Clock | None = None) -> AsyncIterator[House]:
    """One gateway's limits, counted in this database."""
    clock, refused = clock or Clock(), list[Account]()
    async with open_budgets(url, limits, PRICES, refused=refused.append, now=clock) as budgets:
        yield House(budgets, clock, refused)
