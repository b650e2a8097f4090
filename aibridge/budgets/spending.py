"""What one interception uses: set aside before each round, counted once its usage is known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aibridge.budgets.book import Book
from aibridge.budgets.estimate import estimate, tokens_of
from aibridge.budgets.refusals import refusal, unpriced
from aibridge.budgets.rules import Meter, is_money
from aibridge.model import Interception, Record, TokenUsage
from aibridge.ports import Emit, Response, Upstream
from aibridge.pricing import Price
from aibridge.store.budgets import Account, Entry

Refused = Callable[[Account], None]
"""Told of each refusal."""

_REQUESTS: Final = "requests_per_minute"


@dataclass(frozen=True, slots=True)
class Counting:
    """What all interceptions count with. `price` answers at once: it has been asked before."""

    book: Book
    price: Price
    now: Callable[[], datetime]
    refused: Refused

    def admit(self, meters: Sequence[Meter]) -> None:
        """Counts one request of which nothing else is known. Raises OverLimit."""
        now = self.now()
        full = self.book.take([meter.entry(now, spent=1) for meter in meters if meter.account.quantity == _REQUESTS])
        if full is not None:
            self.refused(full.entry.account)
            raise refusal(full, now)


class Spending:
    """Implements Budget. A round's usage counts in the windows in which it becomes known."""

    def __init__(self, counting: Counting, interception: Interception, meters: Sequence[Meter]) -> None:
        self._counting = counting
        self._provider, self._model = interception.provider_name, interception.model
        self._requests = [meter for meter in meters if meter.account.quantity == _REQUESTS]
        self._tokens = [meter for meter in meters if meter.account.quantity == "tokens_per_minute"]
        self._money = [meter for meter in meters if is_money(meter.account)]
        self._aside: list[Entry] = []  # of the open round
        self._begun = False
        self._refused = False

    def upstream(self, inner: Upstream) -> Upstream:
        """The same provider, behind the limits."""
        return _Limited(inner, self)

    def emit(self, inner: Emit) -> Emit:
        """The same way to the recorder, listened to."""

        async def emit(record: Record) -> None:
            if isinstance(record, TokenUsage):
                if self._refused:
                    return  # an exchange cannot tell that this round, of which it has an estimate, was never sent
                self.settle(record)
            await inner(record)

        return emit

    def end(self) -> None:
        """What is set aside is free again."""
        for entry in self._aside:
            self._counting.book.note(entry.undone())
        self._aside = []

    async def reserve(self, body: bytes) -> None:
        """Sets aside what the round may use, where there is room under every limit. Raises OverLimit."""
        self.end()
        self._refused = True  # until there is room
        counting, now, usage = self._counting, self._counting.now(), estimate(body)
        money = self._priced(usage, now)
        tokens = [meter.entry(now, reserved=tokens_of(usage)) for meter in self._tokens]
        requests = [] if self._begun else [meter.entry(now, spent=1) for meter in self._requests]
        full = counting.book.take([*requests, *tokens])
        if full is None and money:
            self._aside = [*requests, *tokens]
            full = await counting.book.ask(money)
        if full is not None:
            self.end()
            counting.refused(full.entry.account)
            raise refusal(full, now)
        self._aside, self._begun, self._refused = [*tokens, *money], True, False

    def settle(self, usage: TokenUsage) -> None:
        """The round has used so much."""
        self.end()
        now, note = self._counting.now(), self._counting.book.note
        cost = self._counting.price(self._provider, self._model, usage) if self._money else None
        for meter in self._tokens:
            note(meter.entry(now, spent=tokens_of(usage)))
        for meter in self._money:
            note(meter.entry(now, spent=cost.micros if cost else 0))

    def _priced(self, usage: TokenUsage, now: datetime) -> list[Entry]:
        if not self._money:
            return []
        cost = self._counting.price(self._provider, self._model, usage)
        if cost is None:
            self._counting.refused(self._money[0].account)
            raise unpriced(self._money[0].account, self._model)
        return [meter.entry(now, reserved=cost.micros) for meter in self._money]


class _Limited:
    __slots__ = ("_inner", "_spending")

    def __init__(self, inner: Upstream, spending: Spending) -> None:
        self._inner = inner
        self._spending = spending

    @asynccontextmanager
    async def open(self, body: bytes) -> AsyncIterator[Response]:
        await self._spending.reserve(body)
        async with self._inner.open(body) as response:
            yield response
