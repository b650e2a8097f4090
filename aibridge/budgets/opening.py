"""Opens the room: limits that may change while they hold, and the book that they are counted in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache, partial
from typing import Final, final

from aibridge.budgets.book import Book
from aibridge.budgets.rules import Limit, Meter, meters
from aibridge.budgets.spending import Counting, Refused, Spending
from aibridge.model import Actor, Interception, TokenUsage
from aibridge.ports import Budget, NoBudgets
from aibridge.pricing import Price
from aibridge.store.budgets import post
from aibridge.store.clock import utc_now
from aibridge.store.engine import open_engine

_KEPT: Final = 1024  # answers to whom what holds; callers choose the names of models
_UNLIMITED: Final = NoBudgets()


@asynccontextmanager
async def open_budgets(
    url: str, limits: Sequence[Limit], price: Price, *, refused: Refused, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[LiveBudgets]:
    """Limits counted in this database, which has been brought up to date by then.

    Without any limit nothing is asked of it, nor of `price`. Raises StoreError where the URL names no database.
    """
    engine = open_engine(url)
    budgets = LiveBudgets(Counting(Book(partial(post, engine)), price, now, refused))
    try:
        await budgets.renew(limits)
        yield budgets
    finally:
        await budgets.aclose()
        await engine.dispose()


@final
class LiveBudgets:
    """Implements Budgets."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._limits: Sequence[Limit] = ()
        self._posting: asyncio.Task[None] | None = None
        self._meters = lru_cache(_KEPT)(self._look_up)

    def of(self, interception: Interception) -> Budget:
        """What this one may use: anything, where no limit holds for it."""
        if not self._limits:
            return _UNLIMITED
        held = self._meters(interception.actor.name, interception.provider_name, interception.model)
        return Spending(self._counting, interception, held) if held else _UNLIMITED

    def admit(self, actor: Actor, provider: str) -> None:
        """Counts a request that nobody reads: the limits of certain models do not know it. Raises OverLimit."""
        if self._limits:
            self._counting.admit(self._meters(actor.name, provider, ""))

    async def renew(self, limits: Sequence[Limit]) -> None:
        """From now on these hold. One that has the name of an old one goes on with what was used of that."""
        if any(quantity.startswith("dollars") for limit in limits for quantity in limit.most):
            # The first question takes 0.1 s, and streams do not wait for it.
            await asyncio.to_thread(self._counting.price, "", "", TokenUsage(None, 0, 0))
        if limits and self._posting is None:
            self._posting = asyncio.create_task(self._counting.book.run(), name="aibridge-budgets")
        self._limits = tuple(limits)
        self._meters.cache_clear()

    async def flush(self) -> None:
        """Tells the database what has come, at once."""
        await self._counting.book.flush()

    async def aclose(self) -> None:
        """Tells it for the last time."""
        if self._posting is not None:
            self._posting.cancel()
            await asyncio.wait([self._posting])
            await self.flush()

    def _look_up(self, actor: str, provider: str, model: str) -> tuple[Meter, ...]:
        return tuple(meters(self._limits, actor, provider, model))
