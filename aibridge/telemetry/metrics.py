"""The metrics, declared: their names, labels and buckets, and what `/metrics` answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, TypeVar, final

from prometheus_client import CollectorRegistry, Gauge, GCCollector, Metric, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from aibridge.telemetry.bounded import Bounded
from aibridge.telemetry.figures import Family, Figures
from aibridge.telemetry.values import Histogram, Values

_PREFIX: Final = "aibridge_"
_TURNS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
_FIRST_TOKENS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 20, 30, 60, 120, 300)
_OVERHEADS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
# Those that the conventions ask for.
_TOKENS: Final = tuple(4.0**power for power in range(14))
_ROUNDS: Final = tuple(0.01 * 2**power for power in range(14))

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

M = TypeVar("M", Values, Histogram)


@final
class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.labels: dict[str, tuple[str, ...]] = {}
        """Every metric of ours by its whole name, with the names of its labels."""
        self.models = Bounded(limit=200)
        self.client_tools = Bounded(limit=200)
        self.injected_tools = Bounded(limit=1000)
        self.token_types = Bounded(limit=50)
        self.clients = Bounded(limit=50)
        self._declare_interceptions()
        self._declare_contents()
        self._declare_breaker()
        self.limit_refusals = self._counter("limit_refusals_total", "Rounds that a limit refused", "limit quantity")
        self._declare_recorder()
        self._declare_config()
        self._plain("tasks", "Tasks of the event loop").set_function(_tasks)
        self._declare_conventions()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def _declare_interceptions(self) -> None:
        self.interceptions = self._counter(
            "interceptions_total", "Interceptions that ended", "provider model status route method client"
        )
        self.inflight = self._gauge("interceptions_inflight", "Interceptions under way", "provider model route")
        self.duration = self._histogram(
            "interceptions_duration_seconds", "From the request to the end of its response", "provider model", _TURNS
        )
        self.first_token = self._histogram(
            "time_to_first_token_seconds", "From the request to a stream's first bytes", "provider model", _FIRST_TOKENS
        )
        self.overhead = self._histogram(
            "overhead_seconds", "An interception's time that was the gateway's own", "route", _OVERHEADS
        )
        self.passthrough = self._counter("passthrough_total", "Requests passed through unread", "provider route method")

    def _declare_contents(self) -> None:
        self.prompts = self._counter("prompts_total", "Prompts of people", "provider model client")
        self.tokens = self._counter("tokens_total", "Tokens by type", "provider model type client")
        self.injected = self._counter(
            "injected_tool_invocations_total", "Calls of injected tools", "provider model server name outcome"
        )
        self.selected = self._counter(
            "non_injected_tool_selections_total", "Calls of client and provider tools", "provider model name"
        )

    def _declare_breaker(self) -> None:
        labels = "provider endpoint model"
        self.breaker_state = self._gauge("circuit_breaker_state", "0 closed, 1 half open, 2 open", labels)
        self.breaker_trips = self._counter("circuit_breaker_trips_total", "Times a breaker opened", labels)
        self.breaker_rejects = self._counter(
            "circuit_breaker_rejects_total", "Requests that an open breaker refused", labels
        )

    def _declare_recorder(self) -> None:
        self._queue_depth = self._plain("recorder_queue_depth", "Records that wait to be written")
        self._spooled = self._plain("recorder_spooled_records", "Records in the spool, not yet in the database")
        self._dropped = self._counter("recorder_dropped_records_total", "Records that could not be kept", "")
        self._dropped[()] = 0.0

    def _declare_config(self) -> None:
        self.reloads = self._counter("config_reloads_total", "Times the settings were read again", "outcome")
        self.reload_success = self._plain("config_last_reload_success", "1: the file's settings are in force")
        self.reload_success.set(1)
        for outcome in ("applied", "refused"):
            self.reloads[outcome,] = 0

    def told_of_reload(self, *, good: bool) -> None:
        """The settings were read again, and taken over or refused."""
        self.reloads["applied" if good else "refused",] += 1
        self.reload_success.set(good)

    def _declare_conventions(self) -> None:
        """OpenTelemetry's metrics for clients of models, under the names that Prometheus gives them."""
        labels = "gen_ai_operation_name gen_ai_provider_name gen_ai_request_model"
        self.token_usage = self._conventional(
            "gen_ai_client_token_usage", "Tokens of a round", f"{labels} gen_ai_token_type", _TOKENS
        )
        self.operation_duration = self._conventional(
            "gen_ai_client_operation_duration_seconds", "From a round's request to its end", labels, _ROUNDS
        )

    def observe_recorder(self, queue_depth: Callable[[], float], spooled_records: Callable[[], float]) -> None:
        """Takes what tells the recorder's state; both are asked at each scrape, so they must be quick."""
        self._queue_depth.set_function(queue_depth)
        self._spooled.set_function(spooled_records)

    def count_dropped(self, records: int) -> None:
        """So many more records could not be kept."""
        self._dropped[()] += records

    def render(self) -> tuple[bytes, str]:
        """What `/metrics` answers: the body and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE

    def figures(self) -> Figures:
        """The same as plain data, for a sum over several processes."""
        return [
            Family(one.name, one.documentation, one.type, [(it.name, it.labels, it.value) for it in one.samples])
            for one in self.registry.collect()
        ]

    def _name(self, name: str, labels: str = "") -> str:
        self.labels[_PREFIX + name] = tuple(labels.split())
        return _PREFIX + name

    def _counter(self, name: str, meaning: str, labels: str) -> Values:
        whole, names = self._name(name, labels), labels.split()
        return self._registered(Values(lambda: CounterMetricFamily(whole, meaning, labels=names)))

    def _gauge(self, name: str, meaning: str, labels: str) -> Values:
        whole, names = self._name(name, labels), labels.split()
        return self._registered(Values(lambda: GaugeMetricFamily(whole, meaning, labels=names)))

    def _plain(self, name: str, meaning: str) -> Gauge:
        return Gauge(self._name(name), meaning, registry=self.registry)

    def _histogram(self, name: str, meaning: str, labels: str, buckets: tuple[float, ...]) -> Histogram:
        return self._registered(Histogram(self._name(name, labels), meaning, labels.split(), buckets))

    def _conventional(self, name: str, meaning: str, labels: str, buckets: tuple[float, ...]) -> Histogram:
        self.labels[name] = tuple(labels.split())
        return self._registered(Histogram(name, meaning, labels.split(), buckets))

    def _registered(self, metric: M) -> M:
        self.registry.register(metric)
        return metric


def _tasks() -> int:
    """How many tasks there are, as the event loop that is asked sees it: a number that only grows tells of a leak."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # asked where no event loop runs
        return 0


def render(figures: Figures) -> bytes:
    """What `/metrics` answers of figures that were summed up."""
    registry = CollectorRegistry()
    registry.register(_Collected(figures))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        for family in self._figures:
            metric = Metric(family.name, family.help, family.type)
            for name, labels, value in family.samples:
                metric.add_sample(name, labels, value)
            yield metric
