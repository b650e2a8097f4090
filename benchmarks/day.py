"""A working day of many developers, simulated from measured costs: what is busy, what is late, what gives out first.

Second by second. Requests come by the time of day, some in bursts, to processes that are alike: one of them is played
request by request, the others are so many more to the database. What a second's work leaves over is the next one's.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import ceil, exp

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured. Seconds are of one core, interceptions those of `benchmarks.writing`."""

    request: float  # seconds of a request without its chunks
    chunk: float  # seconds of a chunk
    injected: float  # seconds of an injected round
    process: float  # MiB of a process at rest
    stream: float  # MiB of an open stream
    inserts: float  # interceptions a second that the database takes
    size: float  # bytes of an interception in the database
    overview: float  # seconds of the overview on hardly any interceptions
    overview_each: float  # seconds more for each interception that it adds up


@dataclass(frozen=True, slots=True)
class Habits:
    """What a developer's agent does; assumed, not measured."""

    pause: float = 10.0  # seconds from one of its requests to the next, while it works
    seconds: float = 6.0  # of a stream, on the average; exponentially distributed
    chunks: float = 50.0  # a second in an open stream
    injected: float = 0.5  # injected rounds of a request
    bursts: float = 0.02  # of the requests are the first of several at once, as from sub-agents
    burst: int = 8  # requests of a burst
    at_work: Sequence[float] = (0.3, 0.8, 1.0, 1.0, 0.6, 0.7, 0.9, 1.0, 0.8, 0.4)  # of the developers, hour by hour


@dataclass(frozen=True, slots=True)
class House:
    """What serves whom."""

    machines: int
    workers: int  # processes of a machine
    developers: int

    @property
    def processes(self) -> int:
        return self.machines * self.workers


@dataclass(frozen=True, slots=True)
class Room:
    """Where enough is enough."""

    disk: float = 1e12  # bytes of the database's disk
    kept: int = 90  # working days of records on it (recorder.retention_days)
    overview: float = 3.0  # seconds that somebody waits for a page
    looked_back: int = 5  # working days on that page


@dataclass(frozen=True, slots=True)
class Day:
    """What became of it."""

    requests: int  # of all processes
    streams: int  # open at a time in one process, at most
    memory: float  # MiB of a machine's gateways, at most
    late: float  # seconds that 99 of 100 requests wait for the processor at most
    behind: float  # seconds that the database is behind at most; the spools hold that
    loads: Mapping[str, float]  # of each resource: 1 is all there is

    @property
    def first(self) -> str:
        """The resource that gives out first."""
        return max(self.loads, key=lambda name: self.loads[name])

    def most(self, house: House) -> dict[str, float]:
        """For how many developers each resource of that house would do: all loads grow about as their number does."""
        return {name: house.developers / load for name, load in self.loads.items()}


def simulate(costs: Costs, habits: Habits, house: House, room: Room, seed: int = 1) -> Day:
    """One day. The same seed makes the same day."""
    arrivals, streams = _process(seed, habits, house.developers / house.processes)
    work = [
        came * (costs.request + habits.injected * costs.injected) + open_ * habits.chunks * costs.chunk
        for came, open_ in zip(arrivals, streams, strict=True)
    ]
    waiting = list(queue(work, 1.0))
    source, others = random.Random(seed), house.developers * (1 - 1 / house.processes)
    inserted = [came + poisson(source, rate) for came, rate in zip(arrivals, _rates(habits, others), strict=True)]
    behind = max(queue(inserted, costs.inserts)) / costs.inserts
    requests = sum(inserted)
    return Day(
        requests=requests,
        streams=max(streams),
        memory=house.workers * (costs.process + max(streams) * costs.stream),
        late=_percentile(waiting, arrivals, 0.99),
        behind=behind,
        loads={
            "processor": _busiest_minute(work),
            "database": _busiest_minute(inserted) / costs.inserts,
            "disk": requests * costs.size * room.kept / room.disk,
            "overview": (costs.overview + requests * room.looked_back * costs.overview_each) / room.overview,
        },
    )


def queue(work: Sequence[float], each_second: float) -> Iterator[float]:
    """What is left over after each second, where so much can be done in one."""
    left = 0.0
    for more in work:
        left = max(0.0, left + more - each_second)
        yield left


def poisson(source: random.Random, mean: float) -> int:
    """How many come, where so many do on the average."""
    if mean > 30:
        return max(0, round(source.gauss(mean, mean**0.5)))
    count, chance, bound = 0, source.random(), exp(-mean)
    while chance > bound:
        count, chance = count + 1, chance * source.random()
    return count


@lru_cache(maxsize=4)
def _process(seed: int, habits: Habits, developers: float) -> tuple[Sequence[int], Sequence[int]]:
    """Of each second: the requests that come to one process, and the streams that are open in it."""
    source = random.Random(seed)
    arrivals, changes = list[int](), [0] * (len(habits.at_work) * HOUR + 1)
    last = len(changes) - 1
    together = 1 + habits.bursts * (habits.burst - 1)
    for second, rate in enumerate(_rates(habits, developers)):
        came = 0
        for _ in range(poisson(source, rate / together)):
            came += habits.burst if source.random() < habits.bursts else 1
        arrivals.append(came)
        changes[second] += came
        for _ in range(came):
            changes[min(last, second + ceil(source.expovariate(1 / habits.seconds)))] -= 1
    return arrivals, list(accumulate(changes[:-1]))


def _rates(habits: Habits, developers: float) -> Iterator[float]:
    """Requests of each second, on the average."""
    for share in habits.at_work:
        for _ in range(HOUR):
            yield developers * share / habits.pause


def _busiest_minute(work: Sequence[float]) -> float:
    return max(sum(work[begin : begin + 60]) / 60 for begin in range(0, len(work), 60))


def _percentile(values: Sequence[float], weights: Sequence[int], share: float) -> float:
    """The least value that is not exceeded by so much of the weight."""
    left = sum(weights) * share
    for value, weight in sorted(zip(values, weights, strict=True)):
        left -= weight
        if left <= 0:
            return value
    return 0.0
