"""What is used, as this process knows it: the database's last word, and what has come since and is not posted yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from aibridge.store.budgets import Account, Balance, Balances, Claim, Entry, Full, Trouble, claimed

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 1.0
"""How often what has come is posted, and so how late a gateway may learn of what another one counted."""

PATIENCE_SECONDS: Final = 2.0
"""How long a claim waits for the database; then this process decides by what it knows."""


class Post(Protocol):
    """Posts entries and claims: `store.budgets.post`, with its database."""

    async def __call__(
        self, entries: Sequence[Entry], claims: Sequence[Claim]
    ) -> tuple[Balances, list[Full | None]]: ...


@dataclass(slots=True)
class _Tally:
    known: Balance  # as the database last said
    spent: int = 0  # beyond that
    reserved: int = 0

    @property
    def balance(self) -> Balance:
        return self.known.after(Entry(_NOBODY, self.known.window, self.spent, self.reserved))


_NOBODY = Account("", "", "")


@dataclass(frozen=True, slots=True)
class _Asked:
    claim: Claim
    answer: asyncio.Future[Full | None]


class Book:
    """Counts at once and posts later what may be late; asks the database first where it must be exact."""

    def __init__(self, post: Post, *, every: float = EVERY_SECONDS, patience: float = PATIENCE_SECONDS) -> None:
        self._post = post
        self._every = every
        self._patience = patience
        self._tallies: dict[Account, _Tally] = {}
        self._asked: list[_Asked] = []
        self._wake = asyncio.Event()
        self._posting = asyncio.Lock()
        self._in_trouble = False

    def note(self, entry: Entry) -> None:
        """Counts it."""
        tally = self._tally(entry)
        if entry.window >= tally.known.window:
            tally.spent += entry.spent
            tally.reserved += entry.reserved

    def take(self, claim: Claim) -> Full | None:
        """Counts a claim by what this process knows, or says why not."""
        full = claimed({entry.account: self._tally(entry).balance for entry in claim}, claim)
        if full is None:
            for entry in claim:
                self.note(entry)
        return full

    async def ask(self, claim: Claim) -> Full | None:
        """Counts a claim by what the database knows, or says why not. While that is in trouble: as `take`."""
        if not self._in_trouble:
            asked = _Asked(claim, asyncio.get_running_loop().create_future())
            self._asked.append(asked)
            self._wake.set()
            try:
                async with asyncio.timeout(self._patience):
                    return await asked.answer
            except (TimeoutError, *Trouble) as error:
                self._trouble(error)
        return self.take(claim)

    async def run(self) -> None:
        """Posts what there is, until it is cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._wake.wait()
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Posts what has come, and answers who asked. While the database is in trouble all stays here."""
        async with self._posting:  # or what has come would be posted twice
            await self._flush()

    async def _flush(self) -> None:
        asked, self._asked = self._asked, []
        due = list(self._due())
        if not (asked or due or self._in_trouble):
            return
        try:
            balances, answers = await self._post([entry for _, entry in due], [one.claim for one in asked])
        except Trouble as error:
            self._trouble(error)
            for one in asked:
                _settle(one, error)
            return
        self._posted(due, balances)
        for one, answer in zip(asked, answers, strict=True):
            self._answer(one, answer)

    def _due(self) -> Iterator[tuple[_Tally, Entry]]:
        for account, tally in self._tallies.items():
            if tally.spent or tally.reserved:
                yield tally, Entry(account, tally.known.window, tally.spent, tally.reserved)

    def _posted(self, due: list[tuple[_Tally, Entry]], balances: Balances) -> None:
        for tally, entry in due:
            tally.spent -= entry.spent
            tally.reserved -= entry.reserved
        for account, balance in balances.items():
            tally = self._tally(Entry(account, balance.window))
            if balance.window == tally.known.window:
                tally.known = balance
        if self._in_trouble:
            self._in_trouble = False
            logger.info("limits are counted in the database again")

    def _answer(self, asked: _Asked, answer: Full | None) -> None:
        if not asked.answer.done():
            asked.answer.set_result(answer)
        elif answer is None:  # it was granted too late, and nobody knows of it
            for entry in asked.claim:
                self.note(entry.undone())

    def _tally(self, entry: Entry) -> _Tally:
        """The account's in the entry's window, or in a later one that has begun."""
        tally = self._tallies.get(entry.account)
        if tally is None or tally.known.window < entry.window:
            tally = self._tallies[entry.account] = _Tally(Balance(entry.window))
        return tally

    def _trouble(self, error: BaseException) -> None:
        if not self._in_trouble:
            self._in_trouble = True
            why = str(error).partition("\n")[0] or "it does not answer"
            logger.error("limits are counted by this process alone, for the database cannot be used: %s", why)


def _settle(asked: _Asked, error: Exception) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(error)
