"""A bad network between the gateway and its providers, under mixed traffic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.chaos import trail
from tests.chaos.gauges import Sample, at_rest, leaked, minutes, sample, warm, watched
from tests.chaos.ledger import Ledger
from tests.chaos.proxy import Proxy
from tests.chaos.scenario import Outcome
from tests.chaos.traffic import traffic
from tests.chaos.world import Gateway, World, running

CLIENTS = 24
DEADLINE = 40.0
"""Seconds: the provider's `total` below, and what it takes to say so."""

CALM = 2.0  # seconds of good weather, in which whatever is opened once is opened
SETTLING = 75.0  # seconds: idle connections to providers are kept for thirty

GROWTH = 24.0
"""MiB that memory may grow behind the warm-up of a run of less than ten minutes."""

TIDE = 3.0
"""MiB by which the last minute of longer runs may have more than the first behind the warm-up. Free memory goes back to
the system each half minute, so minutes differ by one or two; 30,000 requests that lost 100 bytes each would show."""

_PROVIDER = {
    "timeouts": {"connect": 2, "first_byte": 3, "idle": 3, "total": 30},
    "circuit_breaker": {"open": 1},  # it shall open, and not keep the storm out
}
_RECALL = {"max_bytes_per_turn": 1_000}  # or its memory fills all the while; the soak waits for that


async def network(world: World, seconds: float) -> Outcome:
    """So many seconds of storm. Nothing hangs, and whatever was held is given back."""
    outcome = Outcome("network")
    async with _proxies(world) as proxies:
        openai, anthropic = (proxy.port for proxy in proxies)
        gateway = world.gateway("network", openai=openai, anthropic=anthropic, provider=_PROVIDER, recall=_RECALL)
        async with running(gateway):
            before, after, samples, ledger = await _storm(outcome, world, gateway, proxies, seconds)
            outcome.figures |= ledger.figures()
            _judge(outcome, ledger, samples, seconds)
            outcome.figures |= {
                f"{name} before/after": f"{count}/{after.held[name]}" for name, count in before.held.items()
            }
            for name, more in leaked(before, after).items():
                outcome.expect(False, f"{more} {name} were not given back")
            outcome.expect(not after.inflight, f"{after.inflight} interceptions are still under way")
            outcome.expect(await gateway.stop() == 0, "it did not exit with 0")
            outcome.add(trail.compare(ledger, trail.read(gateway.database)))
            outcome.expect(not await gateway.orphans(), "an MCP server outlives the gateway")
        faults = sum((proxy.met for proxy in proxies), start=type(proxies[0].met)())
        outcome.figures |= {f"answers: {kind}": met for kind, met in sorted(faults.items())}
    return outcome.end()


async def _storm(
    outcome: Outcome, world: World, gateway: Gateway, proxies: Sequence[Proxy], seconds: float
) -> tuple[Sample, Sample, Sequence[Sample], Ledger]:
    """What is held before and after, what was held on the way, and what the clients saw."""
    connections = (await sample(gateway)).connections
    async with traffic(gateway.origin, f"{world.seed}:calm", count=CLIENTS):
        await asyncio.sleep(CALM)
    before = (await at_rest(gateway, None, SETTLING)).with_connections(connections)  # at the end no others shall be
    for proxy in proxies:
        proxy.storm = True
    async with watched(gateway, min(10, seconds / 15)) as samples:
        async with traffic(gateway.origin, f"{world.seed}:storm", count=CLIENTS, deadline=DEADLINE) as ledger:
            for minute in range(1, 7):
                await asyncio.sleep(seconds / 6)
                outcome.say(f"{minute} of 6 parts, {len(ledger.requests)} requests, {samples[-1].rss} MiB")
        storm = list(samples)
    outcome.say("the storm is over")
    return before, await at_rest(gateway, before, SETTLING), storm, ledger


def _judge(outcome: Outcome, ledger: Ledger, samples: Sequence[Sample], seconds: float) -> None:
    """Every request has an end that its client understands, and memory is flat."""
    for asked in list(ledger.seen("hung", "odd", "cut", "nothing"))[:5]:
        outcome.expect(False, f"{asked} was seen as {asked.seen}: {asked.last[-300:]!r}")
    behind = warm(samples)
    looks, most = (minutes(behind), TIDE) if seconds >= 600 else (behind, GROWTH)
    growth = round(looks[-1].rss - looks[0].rss, 2)
    outcome.figures |= {"RSS MiB": " ".join(f"{one.rss:.1f}" for one in looks), "RSS growth MiB": growth}
    outcome.expect(growth < most, f"memory has grown by {growth} MiB")


@asynccontextmanager
async def _proxies(world: World) -> AsyncIterator[tuple[Proxy, Proxy]]:
    async with (
        Proxy(world.openai, f"{world.seed}:openai") as one,
        Proxy(world.anthropic, f"{world.seed}:anthropic") as other,
    ):
        yield one, other
