"""The gateway is killed at random moments under load, and started again each time."""

from __future__ import annotations

import asyncio
import time
from random import Random

from tests.chaos import trail
from tests.chaos.scenario import Outcome
from tests.chaos.traffic import traffic
from tests.chaos.world import Gateway, World

CLIENTS = 24
LONGEST = 1.5
"""Seconds that a gateway serves at most before it is killed."""

BOOTING = 0.2
"""The share of kills that may come before it serves, while it looks after what the last one left."""

ENDS_WITHIN = 20.0
"""Seconds after a restart within which everything that was cut off has an end."""


async def kills(world: World, count: int) -> Outcome:
    """So many SIGKILLs. Each request that was accepted has one start and one end; nothing is lost, nothing doubled."""
    outcome, moments = Outcome("kills"), list[float]()
    random = Random(f"{world.seed}:kills")
    gateway = world.gateway("kills")
    try:
        async with traffic(gateway.origin, f"{world.seed}:kills", count=CLIENTS) as ledger:
            for number in range(1, count + 1):
                await _live_a_while(gateway, random)
                moments.append(await gateway.kill())
                if number % 10 == 0:
                    outcome.say(f"{number} of {count} kills, {len(ledger.accepted())} requests accepted")
            await gateway.start()
            await asyncio.sleep(1)
        outcome.figures |= {"kills": count, **ledger.figures()}
        outcome.figures["seconds to the last end"] = await _all_ended(gateway)
        outcome.expect(await gateway.stop() == 0, "the last gateway did not exit with 0")
        outcome.add(trail.compare(ledger, trail.read(gateway.database), moments))
        outcome.expect(not list(ledger.seen("hung")), "a request hung")
        outcome.expect(not await gateway.orphans(), "a killed gateway's MCP server lives on")
    finally:
        await gateway.close()
    return outcome.end()


async def _live_a_while(gateway: Gateway, random: Random) -> None:
    await gateway.spawn()
    if random.random() < BOOTING:
        await asyncio.sleep(random.uniform(0, LONGEST))
    else:
        await gateway.listening()
        await asyncio.sleep(random.uniform(0, LONGEST))


async def _all_ended(gateway: Gateway) -> float:
    """Waits until every interception has an end; how long that took."""
    began = time.monotonic()
    while trail.read(gateway.database).open and time.monotonic() - began < ENDS_WITHIN:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    return round(time.monotonic() - began, 1)
