"""The values of a metric by its labels, added up in plain dictionaries that the library reads at each scrape.

The library's own counters take a lock and check themselves at every step: ten of them cost a request as much as all
else that is counted of it. One event loop needs neither.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]

Family = Callable[[], CounterMetricFamily | GaugeMetricFamily]
"""Makes a metric without samples."""


@final
class Values(defaultdict[Labels, float]):
    """A counter, or a gauge: add to `values[labels]`."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # the registry wants to know it again

    def __init__(self, family: Family) -> None:
        super().__init__(float)
        self._family = family

    def collect(self) -> Iterator[Metric]:
        """The metric, for the registry."""
        family = self._family()
        for labels, value in self.items():
            family.add_metric(labels, value)
        yield family


@final
class Histogram:
    """Observations by labels, counted in buckets."""

    def __init__(self, name: str, meaning: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._declared = name, meaning, labels
        self._bounds = bounds
        self._names = [floatToGoString(bound) for bound in (*bounds, float("inf"))]  # type: ignore[no-untyped-call]
        self._counts: dict[Labels, list[int]] = {}
        self._sums: defaultdict[Labels, float] = defaultdict(float)

    def observe(self, labels: Labels, value: float) -> None:
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * len(self._names)
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def collect(self) -> Iterator[Metric]:
        """The metric, for the registry."""
        family = HistogramMetricFamily(*self._declared[:2], labels=self._declared[2])
        for labels, counts in self._counts.items():
            buckets = [(name, float(count)) for name, count in zip(self._names, accumulate(counts), strict=True)]
            family.add_metric(labels, buckets, self._sums[labels])
        yield family
