"""Many streams at a time for a long time: whatever grows slowly shows."""

from __future__ import annotations

import asyncio

from tests.chaos import trail
from tests.chaos.gauges import Sample, at_rest, drift, leaked, minutes, rise, sample, slope, warm, watched
from tests.chaos.kinds import SLOWLY
from tests.chaos.scenario import Outcome
from tests.chaos.traffic import traffic
from tests.chaos.world import World, running

STREAMS = 100
EVERY = 5.0  # seconds between two looks

SLOPE = 1.0
"""MiB an hour that memory may grow behind the warm-up."""

DRIFT = 0.1
"""The share by which the mean of what is held under load may grow: it goes up and down by more all the time."""

MEANINGFUL = 900.0
"""Seconds that a soak must last for its slope to be judged: in less, a single page more is too many an hour."""


async def soak(world: World, seconds: float) -> Outcome:
    """So many seconds at 100 streams. Memory is flat; file descriptors, threads and tasks are as they were."""
    outcome = Outcome("soak")
    gateway = world.gateway("soak")
    async with running(gateway):
        idle = await sample(gateway)
        async with traffic(
            gateway.origin, f"{world.seed}:soak", count=STREAMS, only_streams=True, suffix=SLOWLY
        ) as ledger:
            async with watched(gateway, EVERY) as samples:
                for part in range(1, 11):
                    await asyncio.sleep(seconds / 10)
                    outcome.say(f"{part} of 10 parts, {len(ledger.requests)} streams, {_shown(samples[-1])}")
                samples = list(samples[1:])
        after = await at_rest(gateway, idle, 90)
        behind = warm(samples)
        outcome.figures |= {**ledger.figures(), "streams at a time": STREAMS, "samples": len(samples)}
        growth = slope(minutes(behind))
        outcome.figures |= {"RSS MiB idle": idle.rss, "RSS MiB": behind[-1].rss, "RSS slope MiB/h": growth}
        outcome.figures["RSS MiB more at the end of these"] = rise(behind)
        for name in ("files", "connections", "threads", "tasks"):
            values = [one.held[name] for one in behind]
            outcome.figures[name] = f"{min(values)} to {max(values)} under load, {after.held[name]} at rest"
        outcome.figures["RSS MiB each minute"] = " ".join(f"{one.rss:.0f}" for one in samples[:: int(60 / EVERY)])
        outcome.expect(
            not [*ledger.seen("nothing", "error", "cut", "odd", "hung")], "a stream did not end as it should"
        )
        if seconds >= MEANINGFUL:
            outcome.expect(growth < SLOPE, f"memory grows by {growth} MiB an hour")
            for name in ("fds", "threads", "tasks"):
                more = drift(behind, name)
                outcome.expect(more < DRIFT, f"{name} grow: by {more:.0%} between the halves behind the warm-up")
        for name, more in leaked(idle, after).items():
            outcome.expect(False, f"{more} {name} were not given back")
        outcome.expect(await gateway.stop() == 0, "it did not exit with 0")
        outcome.add(trail.compare(ledger, trail.read(gateway.database)))
    return outcome.end()


def _shown(one: Sample) -> str:
    return f"{one.rss} MiB, {one.fds} fds, {one.threads} threads, {one.tasks} tasks"
