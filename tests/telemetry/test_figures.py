"""One sum over the metrics of several processes."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aibridge.telemetry.figures import NONE, Figures, lasting, summed
from aibridge.telemetry.metrics import Metrics, render


def worker(ended: int, inflight: int, breaker: int) -> Metrics:
    metrics = Metrics()
    turn = ("openai", "gpt-6", "completed", "/v1", "POST", "Zed")
    metrics.interceptions[turn] += ended
    metrics.inflight["openai", "gpt-6", "/v1"] = inflight
    metrics.breaker_state["openai", "/chat", "gpt-6"] = breaker
    metrics.overhead.observe(("/v1",), ended / 1000)
    return metrics


def values(figures: Figures) -> dict[str, float]:
    """As a scraper reads them; those with labels by their last one's value too."""
    return {
        sample.name + "".join(f" le={sample.labels[key]}" for key in sample.labels if key == "le"): sample.value
        for family in text_string_to_metric_families(render(figures).decode())
        for sample in family.samples
    }


def test_counters_gauges_and_histograms_are_added_up() -> None:
    one, two = worker(3, 1, 0), worker(40, 1, 0)
    two.interceptions["openai", "other", "failed", "/v1", "POST", "Zed"] += 1
    total = summed([one.figures(), two.figures()])
    (family,) = (family for family in total if family.name == "aibridge_interceptions")
    assert sorted((labels["model"], value) for name, labels, value in family.samples) == [("gpt-6", 43), ("other", 1)]
    seen = values(total)
    assert seen["aibridge_interceptions_inflight"] == 2
    assert seen["aibridge_overhead_seconds_count"] == 2
    assert seen["aibridge_overhead_seconds_bucket le=0.005"] == 1
    assert seen["aibridge_overhead_seconds_sum"] == pytest.approx(0.043)


def test_what_makes_no_sense_as_a_sum_is_none() -> None:
    one, two = worker(1, 0, 2), worker(1, 0, 1)
    two.told_of_reload(good=False)
    seen = values(summed([one.figures(), two.figures()]))
    assert seen["aibridge_circuit_breaker_state"] == 2
    assert seen["aibridge_config_last_reload_success"] == 0
    assert seen["process_start_time_seconds"] == values(one.figures())["process_start_time_seconds"]


def test_of_a_dead_process_remains_what_it_counted() -> None:
    seen = values(summed([lasting(worker(5, 3, 2).figures())]))
    assert (seen["aibridge_interceptions_total"], seen["aibridge_overhead_seconds_count"]) == (5, 1)
    assert "aibridge_interceptions_inflight" not in seen
    assert "aibridge_circuit_breaker_state" not in seen


def test_the_page_of_one_process_is_the_same_by_both_ways() -> None:
    metrics = worker(5, 3, 2)
    assert {line for line in render(summed([metrics.figures()])).splitlines() if b"aibridge_" in line} == {
        line for line in metrics.render()[0].splitlines() if b"aibridge_" in line
    }


def test_they_can_be_sent() -> None:
    figures = summed([worker(5, 3, 2).figures()])
    assert msgspec.json.decode(msgspec.json.encode(figures), type=Figures) == figures


def test_nothing_is_nothing() -> None:
    assert summed([NONE, NONE]) == NONE
