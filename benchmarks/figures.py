"""What measured values come to: a median and its spread, and how two systems compare, repeat by repeat.

Machines are shared and noisy, so systems are compared only within a repeat, where both met the same noise.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Values = Sequence[float]
"""One value for each repeat."""

Measures = Mapping[str, Mapping[str, Values]]
"""By measure, then by system."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: for each dialect, and for all of them together."""

    dialects: Mapping[str, Measures]
    shared: Measures


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of the repeats, and their middle half."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Target:
    """A bound that we mean to keep."""

    name: str
    unit: str
    limit: float
    values: Callable[[Measures], Values]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, and what a run came to: its median is what counts."""

    name: str
    unit: str
    limit: float
    value: Figure
    reached: bool


def figure(values: Values) -> Figure:
    if len(values) < 2:
        return Figure(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Figure(median, low, high)


def ratio(measures: Measures, measure: str, system: str, base: str) -> Values:
    """How many times as much a system takes as another."""
    systems = measures[measure]
    return [one / other for one, other in zip(systems[system], systems[base], strict=True)]


def difference(measures: Measures, measure: str, system: str, base: str) -> Values:
    """How much more a system takes than another."""
    systems = measures[measure]
    return [one - other for one, other in zip(systems[system], systems[base], strict=True)]


OF_EACH = (
    Target("CPU of a blocking request", "× relay", 1.7, lambda m: ratio(m, "blocking", "gateway", "relay")),
    Target("CPU of a chunk, 10 ms apart", "× relay", 1.3, lambda m: ratio(m, "paced", "gateway", "relay")),
    Target("CPU of a chunk, 200 at once", "µs more", 5.0, lambda m: difference(m, "bulk", "gateway", "relay")),
    Target("CPU of an injected round, its own", "ms", 1.0, lambda m: m["injected"]["own CPU"]),
    Target("Time of an injected round, its own", "ms", 1.0, lambda m: m["injected"]["own time"]),
    Target("CPU of 20 hidden turns put back", "ms", 2.0, lambda m: m["recall"]["all"]),
)
"""The targets of every dialect."""

SHARED = (Target("Memory with 500 open streams", "MiB", 150.0, lambda m: m["memory"]["gateway, 13 tools"]),)
"""The other targets."""


def verdicts(measures: Measures, targets: Sequence[Target]) -> list[Verdict]:
    """Which of these targets were reached."""
    return [_verdict(target, figure(target.values(measures))) for target in targets]


def _verdict(target: Target, value: Figure) -> Verdict:
    return Verdict(target.name, target.unit, target.limit, value, value.median <= target.limit)
