"""Which scenarios there are, and how much of each."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.chaos.database import database, postgresql
from tests.chaos.kills import kills
from tests.chaos.network import network
from tests.chaos.scenario import Outcome
from tests.chaos.soak import soak
from tests.chaos.stop import stop
from tests.chaos.world import World, world


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    kills: int
    outage: float  # seconds, of each kind
    network: float  # seconds
    streams: int  # open at the stop
    soak: float  # seconds

    def lasting(self, minutes: float | None) -> Size:
        """The same with other durations."""
        return self if minutes is None else replace(self, network=minutes * 60, soak=minutes * 60)


LONG = Size(kills=200, outage=60, network=600, streams=500, soak=1800)
SHORT = Size(kills=10, outage=5, network=30, streams=100, soak=60)

Scenario = Callable[[World, Size], Awaitable[Outcome]]

SCENARIOS: Mapping[str, Scenario] = {
    "kills": lambda world, size: kills(world, size.kills),
    "database": lambda world, size: database(world, size.outage),
    "postgresql": lambda world, size: postgresql(world, size.outage),
    "network": lambda world, size: network(world, size.network),
    "stop": lambda world, size: stop(world, size.streams),
    "soak": lambda world, size: soak(world, size.soak),
}

UNASKED = tuple(name for name in SCENARIOS if name != "soak")
"""What runs where nobody names a scenario."""


async def run(names: Sequence[str], size: Size, home: Path, seed: str) -> list[Outcome]:
    """One scenario after the other, in one world."""
    async with world(home, seed) as made:
        return [await _one(name, made, size) for name in names]


async def _one(name: str, made: World, size: Size) -> Outcome:
    """One that comes to nothing has broken a promise, and the others go on."""
    failed = Outcome(name)
    try:
        return await SCENARIOS[name](made, size)
    except Exception as error:  # noqa: BLE001  whatever it was is told in the end
        traceback.print_exc()
        last = str(error).strip().rpartition("\n")[2]
        failed.expect(False, f"it came to no end: {type(error).__name__}: {last}")
        return failed.end()
