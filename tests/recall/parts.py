"""What recall's tests are made of: a clock, pauses, a look into the file, and keys."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aibridge.model import Actor, HiddenTurn, RecallKey
from aibridge.recall.turns import Kept, Place
from aibridge.store.engine import open_sync_engine
from aibridge.store.tables import metadata
from tests.databases import Database, Lock

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ALICE = Actor("alice")


def keys(*digests: str) -> tuple[RecallKey, ...]:
    return tuple(map(RecallKey, digests))


def a_turn(content: bytes, *digests: str) -> HiddenTurn:
    return HiddenTurn(keys(*digests), content)


def place(digest: str) -> Place:
    return "alice", "work", digest


def kept(content: bytes = b"{}", *, name: str = "t", expires_at: datetime = NOON + timedelta(days=1)) -> Kept:
    return Kept(name, content, expires_at)


def make_tables(path: Path) -> None:
    engine = open_sync_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    engine.dispose()


def query(path: Database, sql: str, *values: object) -> list[Any]:
    """What a second connection sees, or does."""
    return [tuple(row.values()) for row in path.query(sql, *values)]


def digests_in(path: Database) -> list[str]:
    return [digest for (digest,) in query(path, "SELECT key FROM aibridge_hidden_turns ORDER BY key")]


def holding_the_lock(path: Database) -> Lock:
    """Another connection that writes and does not come to an end; closing it does."""
    return path.hold()


def contents(turns: Iterable[HiddenTurn]) -> list[bytes]:
    return [turn.content for turn in turns]


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **how_long: float) -> None:
        self.time += timedelta(**how_long)


class Pauses:
    """Stands in for asyncio.sleep: tells that somebody pauses, and lets them go on when the test says so."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.began = asyncio.Event()
        self._over = asyncio.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.began.set()
        await self._over.acquire()

    def end(self) -> None:
        self.began.clear()
        self._over.release()
