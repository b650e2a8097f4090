"""What a gateway holds, seen from outside: memory, file descriptors, threads, connections, and by its metrics tasks."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from itertools import combinations, groupby

from prometheus_client.parser import text_string_to_metric_families

from tests.chaos.world import Gateway, get

POOLS = {"recall's readers": 4, "asyncio's own, in which settings are read again a second after the start": 1}
"""Threads that begin when they are first needed, at most so many, and then stay for the next time."""

LATE = {"threads": sum(POOLS.values()), "files": 9}
"""What begins late: the pools' threads, two files for each of recall's readers, and the spool's file."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. `at`: seconds of the monotonic clock; `rss` in MiB."""

    at: float
    rss: float
    fds: int
    threads: int
    connections: int
    tasks: int
    inflight: int
    unrecorded: int

    @property
    def held(self) -> dict[str, int]:
        """What must be given back. Connections are file descriptors too, and counted apart."""
        files = self.fds - self.connections
        return {"files": files, "threads": self.threads, "connections": self.connections, "tasks": self.tasks}

    def with_connections(self, count: int) -> Sample:
        """The same, had it held so many connections."""
        return replace(self, fds=self.fds - self.connections + count, connections=count)


async def sample(gateway: Gateway) -> Sample:
    """Looks once."""
    _, page = await get(gateway.port, "/metrics")
    metrics: dict[str, float] = {}
    for family in text_string_to_metric_families(page):
        for one in family.samples:
            metrics[one.name] = metrics.get(one.name, 0) + one.value
    process = gateway.process
    return Sample(
        at=time.monotonic(),
        rss=round(process.memory_info().rss / 2**20, 2),
        fds=process.num_fds(),
        threads=process.num_threads(),
        connections=sum(one.status != "LISTEN" for one in process.net_connections("tcp")),
        tasks=int(metrics.get("aibridge_tasks", 0)),
        inflight=int(metrics.get("aibridge_interceptions_inflight", 0)),
        unrecorded=int(
            metrics.get("aibridge_recorder_queue_depth", 0) + metrics.get("aibridge_recorder_spooled_records", 0)
        ),
    )


async def at_rest(gateway: Gateway, like: Sample | None, seconds: float) -> Sample:
    """The first look at which nothing is under way and no more is held than before, or the last one that time allows.

    Idle connections to a provider are kept for half a minute, so this takes about as long.
    """
    deadline = time.monotonic() + seconds
    while True:
        seen = await sample(gateway)
        busy = seen.inflight or seen.unrecorded or (like and leaked(like, seen))
        if not busy or time.monotonic() > deadline:
            return seen
        await asyncio.sleep(0.5)


def leaked(before: Sample, after: Sample) -> dict[str, int]:
    """What is held beyond what was held before."""
    more = {name: count - before.held[name] for name, count in after.held.items()}
    return {name: count for name, count in more.items() if count > LATE.get(name, 0)}


@asynccontextmanager
async def watched(gateway: Gateway, every: float) -> AsyncIterator[list[Sample]]:
    """Looks again and again while the block runs."""
    samples = [await sample(gateway)]

    async def watch() -> None:
        while True:
            await asyncio.sleep(every)
            samples.append(await sample(gateway))

    watcher = asyncio.create_task(watch())
    try:
        yield samples
    finally:
        watcher.cancel()
        await asyncio.wait([watcher])


def slope(samples: Sequence[Sample], field: str = "rss") -> float:
    """How fast a field grows an hour, by Theil and Sen: the median of the slopes between any two looks.

    One high tide moves a line of least squares by as much as a leak would, and does not move this.
    """
    looks = [(one.at / 3600, float(asdict(one)[field])) for one in samples]
    slopes = [(value - before) / (at - since) for (since, before), (at, value) in combinations(looks, 2) if at > since]
    return round(statistics.median(slopes), 2) if len(samples) > 2 and slopes else 0.0


def minutes(samples: Sequence[Sample], seconds: float = 60.0) -> list[Sample]:
    """One look for each minute, with the mean of its memory.

    What is free goes back to the system each half minute, so memory rises and falls by 2 MiB all the time. Its mean
    does so by a tenth of that, and what leaks is in the mean as well.
    """
    parts = groupby(samples, lambda one: (one.at - samples[0].at) // seconds)
    return [_mean(list(looks)) for _, looks in parts]


def _mean(looks: Sequence[Sample]) -> Sample:
    return replace(
        looks[0], at=statistics.fmean(one.at for one in looks), rss=statistics.fmean(one.rss for one in looks)
    )


def rise(samples: Sequence[Sample], field: str = "rss") -> float:
    """What a field's mean has more in the last tenth than in the first."""
    values, tenth = [float(asdict(one)[field]) for one in samples], max(1, len(samples) // 10)
    return round(statistics.fmean(values[-tenth:]) - statistics.fmean(values[:tenth]), 2)


def drift(samples: Sequence[Sample], field: str) -> float:
    """By which share the mean of a field is larger in the second half than in the first."""
    values, half = [float(asdict(one)[field]) for one in samples], len(samples) // 2
    return round(statistics.fmean(values[half:]) / statistics.fmean(values[:half]) - 1, 3)


def warm(samples: Sequence[Sample], share: float = 1 / 3) -> Sequence[Sample]:
    """The samples behind the warm-up, which takes that share of them."""
    return samples[int(len(samples) * share) :]
