"""Mixed traffic: so many clients, each with one request after another, seeded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from random import Random

import aiohttp

from tests.chaos.client import SPEECHES, ask
from tests.chaos.kinds import MIXED
from tests.chaos.ledger import Asked, Ledger

DEADLINE = 60.0
"""Seconds after which a request counts as hung, unless a scenario knows better."""

_PAUSE = 0.1  # seconds before the next request where nobody answered


class Traffic:
    """Clients of one gateway. What they see goes to `ledger`."""

    def __init__(self, origin: str, session: aiohttp.ClientSession, seed: str, *, deadline: float) -> None:
        self.ledger = Ledger()
        self._origin = origin
        self._session = session
        self._seed = seed
        self._deadline = deadline
        self._numbers = count(1)
        self._over = asyncio.Event()

    def stop(self) -> None:
        """Lets no client begin another request."""
        self._over.set()

    async def one(self, dialect: str, model: str, *, streaming: bool) -> Asked:
        """One request, to its end."""
        asked = Asked(next(self._numbers), dialect, model, streaming, began=time.monotonic())
        self.ledger.requests.append(asked)
        await ask(self._session, self._origin, asked, self._deadline)
        return asked

    async def client(self, name: int, *, only_streams: bool, suffix: str = "") -> None:
        """One request after another, until all stop."""
        random = Random(f"{self._seed}:{name}")
        while not self._over.is_set():
            dialect, model = random.choice(list(SPEECHES)), random.choice(MIXED)
            asked = await self.one(dialect, model + suffix, streaming=only_streams or random.random() < 0.6)
            if asked.seen in ("nothing", "cut"):
                await asyncio.sleep(_PAUSE)


@asynccontextmanager
async def clients(origin: str, seed: str, *, deadline: float = DEADLINE) -> AsyncIterator[Traffic]:
    """Clients that ask nothing by themselves yet."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers={"authorization": "Bearer sk-a-client"}) as session:
        yield Traffic(origin, session, seed, deadline=deadline)


@asynccontextmanager
async def traffic(
    origin: str, seed: str, *, count: int, only_streams: bool = False, suffix: str = "", deadline: float = DEADLINE
) -> AsyncIterator[Ledger]:
    """So many clients at a time while the block runs; on leaving each finishes its request."""
    async with clients(origin, seed, deadline=deadline) as made, asyncio.TaskGroup() as group:
        for name in range(count):
            group.create_task(made.client(name, only_streams=only_streams, suffix=suffix))
        try:
            yield made.ledger
        finally:
            made.stop()


async def together(made: Traffic, asks: Sequence[tuple[str, str, bool]]) -> None:
    """These requests at once, each (dialect, model, streaming); returns when all are over."""
    async with asyncio.TaskGroup() as group:
        for dialect, model, streaming in asks:
            group.create_task(made.one(dialect, model, streaming=streaming))
