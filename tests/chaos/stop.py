"""SIGTERM while many streams are open."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator

from tests.chaos import trail
from tests.chaos.client import SPEECHES
from tests.chaos.gauges import sample
from tests.chaos.ledger import Ledger
from tests.chaos.scenario import Outcome
from tests.chaos.traffic import clients, together
from tests.chaos.world import Gateway, World, get, running

GRACE = 8.0
"""Seconds; what `finishes` is done in five."""

LAST_WORDS = 12.0
"""Seconds after the grace within which it is gone: two waits of five for clients that do not read, and a little."""

_MIX = ("finishes", "finishes", "lasts", "ponders")


async def stop(world: World, streams: int) -> Outcome:
    """So many open. What can finish within the grace does; the rest is told in its stream, and recorded as it was."""
    outcome = Outcome("stop")
    gateway = world.gateway("stop", server={"shutdown_grace_seconds": GRACE})
    async with running(gateway), clients(gateway.origin, world.seed) as made:
        asking = asyncio.create_task(together(made, list(_asks(streams))))
        await _all_open(gateway, made.ledger, streams)
        outcome.say(f"{streams} streams are open")
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        ready, _ = await get(gateway.port, "/readyz")
        outcome.expect(ready in (0, 503), f"/readyz answered {ready} behind SIGTERM")
        status = await gateway.status()
        took = round(time.monotonic() - began, 1)
        await asking
        outcome.figures |= {"streams": streams, "grace s": GRACE, "seconds to the exit": took, "exit status": status}
        outcome.figures |= made.ledger.figures()
        outcome.expect(status == 0, f"it exited with {status}")
        outcome.expect(took < GRACE + LAST_WORDS, f"it took {took} s to end")
        _judge(outcome, made.ledger)
        outcome.add(trail.compare(made.ledger, trail.read(gateway.database)))
        for orphan in await gateway.orphans():
            outcome.expect(False, f"{orphan} outlives the gateway")
    return outcome.end()


def _judge(outcome: Outcome, ledger: Ledger) -> None:
    for asked in ledger.requests:
        wanted = "complete" if asked.model == "finishes" else "error"
        if asked.seen != wanted:
            outcome.expect(False, f"{asked} was to be seen as {wanted} and was {asked.seen}: {asked.last[-200:]!r}")


def _asks(streams: int) -> Iterator[tuple[str, str, bool]]:
    """All dialects, all of the mix; one in ten is no stream."""
    names = list(SPEECHES)
    for number in range(streams):
        yield names[number % 3], _MIX[number // 3 % len(_MIX)], number % 10 != 9


async def _all_open(gateway: Gateway, ledger: Ledger, streams: int) -> None:
    """Returns once the gateway has taken all of them on."""
    async with asyncio.timeout(60):
        while await _taken(gateway, ledger) < streams:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _taken(gateway: Gateway, ledger: Ledger) -> int:
    return (await sample(gateway)).inflight + sum(asked.ended > 0 for asked in ledger.requests)
