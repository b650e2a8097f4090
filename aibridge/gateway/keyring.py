"""The gateway keys of this process: asked of the database now and then, and not with every request.

A key that was good is taken for good for `TRUST_SECONDS`; so a revocation bites within five, in every worker. While the
database is away, keys that were good go on for `GRACE_SECONDS`; all others are refused with 503.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, final

from aibridge.errors import Unavailable
from aibridge.model import Actor
from aibridge.store.keys import Key

logger = logging.getLogger(__name__)

TRUST_SECONDS = 3.0
"""How long an answer of the database holds; with the wait for the next one it stays below five seconds."""

GRACE_SECONDS = 300.0
"""How long a key that was good is let in while the database cannot be asked."""

NOTED_SECONDS = 60.0
"""How often it is noted when keys were last used."""

_WAIT_SECONDS = 1.0
"""No request waits longer than that for the database."""

_STRANGERS = 4
"""So many keys that are not known yet are looked up at the same time."""

_MOST = 10_000
"""Keys, and again things that are no keys, that are remembered at most."""


class Store(Protocol):
    """Where the keys are."""

    async def find(self, hashed: bytes) -> Key | None: ...

    async def used(self, key_ids: Iterable[str], when: datetime) -> None: ...


@dataclass(slots=True)
class _Known:
    """A key that was good when the database was asked."""

    actor: Actor
    good_at: float
    trusted_until: float
    used: bool = True


@final
class Keyring:
    """Knows actors by the digests of their keys. `monotonic`, `now`, `sleep`: the clocks."""

    def __init__(
        self,
        store: Store,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        wait_seconds: float = _WAIT_SECONDS,
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._now = now
        self._wait_seconds = wait_seconds
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()  # until when that holds
        self._asking: dict[bytes, asyncio.Task[Actor | None]] = {}
        # Whoever sends made-up keys must not crowd out the look-ups of good ones, or of those that were revoked.
        self._strangers = asyncio.Semaphore(_STRANGERS)
        self._troubled = False

    def known(self, hashed: bytes) -> Actor | None:
        """Whose key it is, where the database has been asked of late."""
        known = self._known.get(hashed)
        if known is None or self._monotonic() >= known.trusted_until:
            return None
        known.used = True
        return known.actor

    async def actor(self, hashed: bytes) -> Actor | None:
        """Whose key it is; None where it is nobody's. Raises Unavailable where that cannot be told."""
        if (actor := self.known(hashed)) is not None:
            return actor
        if self._monotonic() < self._unknown.get(hashed, 0.0):
            return None
        return await self._ask_once(hashed)

    async def note_use(self) -> None:
        """Tells the database which keys have been used since the last time."""
        used = [known for known in self._known.values() if known.used]
        if not used:
            return
        for known in used:
            known.used = False
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._store.used([str(known.actor.key_id) for known in used], self._now())
        except Exception as error:  # noqa: BLE001  whatever the trouble is, it is noted the next time
            logger.debug("it could not be noted when keys were used (%s)", type(error).__name__)
            for known in used:
                known.used = True

    async def close(self) -> None:
        """Notes the last uses, and asks nothing any more."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self.note_use()

    async def note_uses(self, sleep: Callable[[float], Awaitable[object]]) -> None:
        """Does so for ever."""
        while True:
            await sleep(NOTED_SECONDS)
            await self.note_use()

    async def _ask_once(self, hashed: bytes) -> Actor | None:
        """However many requests come with the key, the database is asked once; who leaves takes nobody along."""
        asking = self._asking.get(hashed)
        if asking is None:
            asking = self._asking[hashed] = asyncio.create_task(self._ask(hashed))
            asking.add_done_callback(lambda task: self._asked(hashed, task))
        return await asyncio.shield(asking)

    def _asked(self, hashed: bytes, asking: asyncio.Task[Actor | None]) -> None:
        del self._asking[hashed]
        if not asking.cancelled():
            asking.exception()  # it has been seen, even if nobody waits any more

    async def _ask(self, hashed: bytes) -> Actor | None:
        asked_at = self._monotonic()  # a revocation after that may be missing from the answer
        try:
            async with asyncio.timeout(self._wait_seconds):
                async with nullcontext() if hashed in self._known else self._strangers:
                    key = await self._store.find(hashed)
        except Exception as error:  # noqa: BLE001  whatever the trouble is, nobody unknown is let in
            return self._without_database(hashed, error)
        if self._troubled:
            self._troubled = False
            logger.warning("keys can be looked up again")
        if key is None:
            self._forget(hashed, asked_at)
            return None
        return self._learn(hashed, key, asked_at)

    def _learn(self, hashed: bytes, key: Key, asked_at: float) -> Actor:
        actor = Actor(key.actor, key.id, key.metadata, key.role)
        self._unknown.pop(hashed, None)
        self._known[hashed] = _Known(actor, asked_at, asked_at + TRUST_SECONDS)
        self._known.move_to_end(hashed)
        _shorten(self._known)
        return actor

    def _forget(self, hashed: bytes, asked_at: float) -> None:
        self._known.pop(hashed, None)
        self._unknown[hashed] = asked_at + TRUST_SECONDS
        self._unknown.move_to_end(hashed)
        _shorten(self._unknown)

    def _without_database(self, hashed: bytes, error: Exception) -> Actor:
        if not self._troubled:
            self._troubled = True
            logger.error(
                "keys cannot be looked up: those used of late are let in for %g s (%s)",
                GRACE_SECONDS,
                type(error).__name__,
            )
        known, now = self._known.get(hashed), self._monotonic()
        if known is None or now >= known.good_at + GRACE_SECONDS:
            raise Unavailable("Keys cannot be checked now; try again later.", retry_after=TRUST_SECONDS)
        known.trusted_until = now + self._wait_seconds  # then the database is tried again
        known.used = True
        return known.actor


def _shorten(held: OrderedDict[bytes, _Known] | OrderedDict[bytes, float]) -> None:
    while len(held) > _MOST:
        held.popitem(last=False)
