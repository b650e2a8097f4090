"""Hidden turns, each actor's own: kept in the database and in memory, looked for in memory first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import final
from uuid import uuid4

from aibridge.model import Actor, HiddenTurn, RecallKey
from aibridge.recall.database import Database
from aibridge.recall.memory import Memory
from aibridge.recall.turns import Kept, Place

logger = logging.getLogger(__name__)


@final
class Recalls:
    """Implements `ports.Recalls`."""

    def __init__(
        self,
        database: Database,
        memory: Memory,
        *,
        ttl: timedelta,
        max_bytes_per_turn: int,
        now: Callable[[], datetime],
    ) -> None:
        self.database = database
        self.memory = memory
        self.now = now
        self._ttl = ttl
        self._max_bytes = max_bytes_per_turn
        self._told_of_size = False

    def of(self, actor: Actor, provider: str) -> Recall:
        """Those of one actor, with the provider of this name."""
        return Recall(self, actor.name, provider)

    def accepts(self, size: int) -> bool:
        """Whether a turn of so many bytes is kept. What is not is told once, and to those who debug each time."""
        if size <= self._max_bytes:
            return True
        level = logging.DEBUG if self._told_of_size else logging.INFO
        most = self._max_bytes
        logger.log(level, "a hidden turn of %d bytes is not kept: recall.max_bytes_per_turn is %d", size, most)
        self._told_of_size = True
        return False

    def made(self, content: bytes) -> Kept:
        """A new turn, as it is kept."""
        return Kept(str(uuid4()), content, self.now() + self._ttl)


@final
class Recall:
    """Implements `ports.Recall` for one actor and one provider."""

    def __init__(self, everybody: Recalls, actor: str, provider: str) -> None:
        self._everybody = everybody
        self._actor = actor
        self._provider = provider

    async def find(self, keys: Sequence[RecallKey]) -> list[HiddenTurn]:
        """The turns under these keys, in the order of the keys: each once, under those of its keys that are asked for.

        What memory does not know the database is asked; where that fails, it is what memory knows.
        """
        places, now = self._places(keys), self._everybody.now()
        found, unknown = self._everybody.memory.look(places, now)
        if unknown:
            found |= await self._ask(unknown, now)
        return _turns(places, found) if found else []

    async def keep(self, turn: HiddenTurn) -> None:
        """Returns once every process can find the turn; where the database fails, this one can."""
        if not turn.keys or not self._everybody.accepts(len(turn.content)):
            return
        turns = dict.fromkeys(self._places(turn.keys), self._everybody.made(turn.content))
        try:
            await self._everybody.database.keep(turns)
        finally:
            # After the database: who asks it in between must not take the place for empty.
            self._everybody.memory.keep(turns)

    async def _ask(self, places: Sequence[Place], now: datetime) -> dict[Place, Kept]:
        memory, digests = self._everybody.memory, [digest for _, _, digest in places]
        question = memory.ask(places, now)
        answer = await self._everybody.database.find(self._actor, self._provider, digests)
        memory.learn(question, answer)
        return answer or {}

    def _places(self, keys: Iterable[RecallKey]) -> dict[Place, None]:
        """Each once, in their order."""
        actor, provider = self._actor, self._provider
        return {(actor, provider, key.digest): None for key in keys}


def _turns(places: Iterable[Place], found: Mapping[Place, Kept]) -> list[HiddenTurn]:
    keys: dict[str, list[RecallKey]] = {}
    contents: dict[str, bytes] = {}
    for place in places:
        if (kept := found.get(place)) is not None:
            keys.setdefault(kept.id, []).append(RecallKey(place[2]))
            contents[kept.id] = kept.content
    return [HiddenTurn(tuple(keys[turn]), contents[turn]) for turn in keys]
