"""Limits as an operator writes them, and which of them one interception has to heed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final, Literal

from aibridge.budgets.windows import Period, start_of
from aibridge.store.budgets import Account, Entry

PERIODS: Final[Mapping[str, Period]] = {
    "requests_per_minute": "minute",
    "tokens_per_minute": "minute",
    "dollars_per_day": "day",
    "dollars_per_month": "month",
}
"""What can be limited, and over which time."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What may be used by the interceptions that its patterns match."""

    name: str
    most: Mapping[str, int]  # by quantity: requests, tokens, millionths of a US dollar
    actor: str = "*"
    provider: str = "*"
    model: str = "*"
    per: Literal["actor", "all"] = "actor"

    def holds_for(self, actor: str, provider: str, model: str) -> bool:
        """Whether an interception has to heed it, whatever the case of its model: to some providers it is all one."""
        return (
            fnmatchcase(actor, self.actor)
            and fnmatchcase(provider, self.provider)
            and fnmatchcase(model.lower(), self.model.lower())
        )


@dataclass(frozen=True, slots=True)
class Meter:
    """One quantity of one limit, as it holds for one actor."""

    account: Account
    most: int

    def entry(self, now: datetime, *, spent: int = 0, reserved: int = 0) -> Entry:
        """A change of it in the present window."""
        return Entry(self.account, start_of(PERIODS[self.account.quantity], now), spent, reserved, self.most)


def meters(limits: Sequence[Limit], actor: str, provider: str, model: str) -> Iterator[Meter]:
    """All that one interception has to heed."""
    for limit in limits:
        if limit.holds_for(actor, provider, model):
            whose = actor if limit.per == "actor" else ""
            for quantity, most in limit.most.items():
                yield Meter(Account(limit.name, quantity, whose), most)


def is_money(account: Account) -> bool:
    """Whether it is in millionths of a dollar."""
    return account.quantity.startswith("dollars")
