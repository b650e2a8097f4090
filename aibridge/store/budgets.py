"""What has been used of the limits: one row for each, changed by every gateway, and only while nobody else does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, starmap
from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from aibridge.store.engine import writing
from aibridge.store.tables import budgets as table

Trouble = (SQLAlchemyError, OSError)
"""What is raised where the database fails, is locked for too long or cannot be reached."""

_KEY = ("limit_name", "quantity", "actor")
_ITS_KEY = ("its_limit_name", "its_quantity", "its_actor")

_WRITE = update(table).where(*(table.c[name] == bindparam(its) for name, its in zip(_KEY, _ITS_KEY, strict=True)))


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """One limit's use by one actor, or by all (`actor` is empty): a row."""

    limit: str
    quantity: str
    actor: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A change of an account, in the window that begins then. `most`: there must be room left below that much."""

    account: Account
    window: datetime
    spent: int = 0
    reserved: int = 0
    most: int = 0

    def undone(self) -> Entry:
        """What takes it back."""
        return replace(self, spent=-self.spent, reserved=-self.reserved)


@dataclass(frozen=True, slots=True)
class Balance:
    """How an account stands, in the last window in which it was used."""

    window: datetime
    spent: int = 0
    reserved: int = 0

    @property
    def used(self) -> int:
        """What is gone, or may soon be."""
        return self.spent + self.reserved

    def at(self, window: datetime) -> Balance:
        """How it stands in that window: with a new one all begins anew. One that another gateway began stays."""
        return Balance(window) if window > self.window else self

    def after(self, entry: Entry) -> Balance:
        """How it stands then. What belongs to a window that is over changes nothing."""
        if entry.window < self.window:
            return self
        now = self.at(entry.window)
        return Balance(now.window, max(0, now.spent + entry.spent), max(0, now.reserved + entry.reserved))


@dataclass(frozen=True, slots=True)
class Full:
    """Why a claim was refused: there was no room for this entry."""

    entry: Entry
    balance: Balance


Claim = Sequence[Entry]
"""Entries that are made together, or not at all."""

Balances = dict[Account, Balance]


async def post(
    engine: AsyncEngine, entries: Sequence[Entry], claims: Sequence[Claim]
) -> tuple[Balances, list[Full | None]]:
    """Makes the entries, then each claim for which there is room, all in one transaction.

    Returns how these accounts stand then, and why each claim was refused, None where it was not. Raises Trouble.
    """
    async with writing(engine) as connection:
        balances = await _locked(connection, [*entries, *chain(*claims)])
        for entry in entries:
            balances[entry.account] = balances[entry.account].after(entry)
        answers = [claimed(balances, claim) for claim in claims]
        if balances:
            await connection.execute(_WRITE, list(starmap(_change, balances.items())))
    return balances, answers


def claimed(balances: Balances, claim: Claim) -> Full | None:
    """Makes the claim's entries, unless one of them finds no room: then says which."""
    for entry in claim:
        balance = balances[entry.account].at(entry.window)
        if balance.used >= entry.most:
            return Full(entry, balance)
    for entry in claim:
        balances[entry.account] = balances[entry.account].after(entry)
    return None


async def _locked(connection: AsyncConnection, entries: Iterable[Entry]) -> Balances:
    """How they stand; nobody else changes them until the transaction ends. New ones begin with nothing."""
    # In one order, or two gateways could wait for one another.
    new = {entry.account: Balance(entry.window) for entry in sorted(entries, key=lambda entry: entry.account)}
    if not new:
        return {}
    rows = await connection.execute(_lock(connection.dialect.name), list(starmap(_row, new.items())))
    return {Account(*row[:3]): Balance(*row[3:]) for row in rows}


def _lock(dialect: str) -> Any:
    # Any: the two have no type in common that knows about conflicts.
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect](table)
    return insert.on_conflict_do_update(index_elements=_KEY, set_={"spent": table.c.spent}).returning(*table.c)


def _row(account: Account, balance: Balance) -> dict[str, object]:
    return dict(zip(_KEY, _parts(account), strict=True)) | _state(balance)


def _change(account: Account, balance: Balance) -> dict[str, object]:
    return dict(zip(_ITS_KEY, _parts(account), strict=True)) | _state(balance)


def _parts(account: Account) -> tuple[str, str, str]:
    return account.limit, account.quantity, account.actor


def _state(balance: Balance) -> dict[str, object]:
    return {"began_at": balance.window, "spent": balance.spent, "reserved": balance.reserved}
