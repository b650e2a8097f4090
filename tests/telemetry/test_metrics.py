import asyncio

from prometheus_client.parser import text_string_to_metric_families

from aibridge.telemetry.metrics import Metrics

PUBLIC = {
    "aibridge_interceptions_total": ("provider", "model", "status", "route", "method", "client"),
    "aibridge_interceptions_inflight": ("provider", "model", "route"),
    "aibridge_interceptions_duration_seconds": ("provider", "model"),
    "aibridge_time_to_first_token_seconds": ("provider", "model"),
    "aibridge_overhead_seconds": ("route",),
    "aibridge_passthrough_total": ("provider", "route", "method"),
    "aibridge_prompts_total": ("provider", "model", "client"),
    "aibridge_tokens_total": ("provider", "model", "type", "client"),
    "aibridge_injected_tool_invocations_total": ("provider", "model", "server", "name", "outcome"),
    "aibridge_non_injected_tool_selections_total": ("provider", "model", "name"),
    "aibridge_circuit_breaker_state": ("provider", "endpoint", "model"),
    "aibridge_circuit_breaker_trips_total": ("provider", "endpoint", "model"),
    "aibridge_circuit_breaker_rejects_total": ("provider", "endpoint", "model"),
    "aibridge_limit_refusals_total": ("limit", "quantity"),
    "aibridge_recorder_dropped_records_total": (),
    "aibridge_recorder_queue_depth": (),
    "aibridge_recorder_spooled_records": (),
    "aibridge_config_reloads_total": ("outcome",),
    "aibridge_config_last_reload_success": (),
    "aibridge_tasks": (),
    "gen_ai_client_token_usage": (
        "gen_ai_operation_name",
        "gen_ai_provider_name",
        "gen_ai_request_model",
        "gen_ai_token_type",
    ),
    "gen_ai_client_operation_duration_seconds": (
        "gen_ai_operation_name",
        "gen_ai_provider_name",
        "gen_ai_request_model",
    ),
}


def test_names_and_labels_are_those_that_users_hold_on_to() -> None:
    assert Metrics().labels == PUBLIC


def test_what_is_rendered_parses_and_names_every_metric() -> None:
    body, content_type = Metrics().render()
    assert content_type.startswith("text/plain; version=0.0.4")
    families = {family.name for family in text_string_to_metric_families(body.decode())}
    assert {name.removesuffix("_total") for name in PUBLIC} <= families
    assert "process_resident_memory_bytes" in families
    assert not [name for name in families if name.endswith("_created")]


def test_the_breakers_metrics_have_no_samples_until_there_is_a_breaker() -> None:
    body, _ = Metrics().render()
    assert not [line for line in body.splitlines() if line.startswith(b"aibridge_circuit_breaker")]


def test_the_recorder_is_asked_at_each_scrape() -> None:
    depths = iter([3.0, 1.0])
    metrics = Metrics()
    metrics.observe_recorder(lambda: next(depths), lambda: 7)
    assert b"aibridge_recorder_queue_depth 3.0\n" in metrics.render()[0]
    body, _ = metrics.render()
    assert b"aibridge_recorder_queue_depth 1.0\n" in body
    assert b"aibridge_recorder_spooled_records 7.0\n" in body


def test_counters_and_gauges_add_up() -> None:
    metrics = Metrics()
    metrics.prompts["a", "b", "c"] += 1
    metrics.prompts["a", "b", "c"] += 2
    metrics.inflight["a", "b", "c"] += 2
    metrics.inflight["a", "b", "c"] -= 1
    body, _ = metrics.render()
    assert b'aibridge_prompts_total{client="c",model="b",provider="a"} 3.0\n' in body
    assert b'aibridge_interceptions_inflight{model="b",provider="a",route="c"} 1.0\n' in body


def test_a_histogram_counts_in_each_bucket_what_is_no_greater() -> None:
    metrics = Metrics()
    for seconds in (0.1, 0.2, 0.25, 7200):
        metrics.duration.observe(("work", "gpt-x"), seconds)
    samples = [
        (sample.labels.get("le"), sample.value)
        for family in text_string_to_metric_families(metrics.render()[0].decode())
        if family.name == "aibridge_interceptions_duration_seconds"
        for sample in family.samples
        if sample.name.endswith("_bucket")
    ]
    assert samples[:3] == [("0.1", 1), ("0.25", 3), ("0.5", 3)]
    assert samples[-2:] == [("3600.0", 3), ("+Inf", 4)]
    assert b'aibridge_interceptions_duration_seconds_sum{model="gpt-x",provider="work"} 7200.55' in metrics.render()[0]


def test_lost_records_are_counted_from_nothing_on() -> None:
    metrics = Metrics()
    assert b"aibridge_recorder_dropped_records_total 0.0\n" in metrics.render()[0]
    metrics.count_dropped(3)
    assert b"aibridge_recorder_dropped_records_total 3.0\n" in metrics.render()[0]


async def test_the_tasks_of_the_event_loop_are_counted() -> None:
    metrics = Metrics()
    before = _tasks(metrics)
    more = asyncio.create_task(asyncio.Event().wait())
    assert _tasks(metrics) == before + 1
    more.cancel()


def test_where_no_event_loop_runs_there_are_no_tasks() -> None:
    assert _tasks(Metrics()) == 0


def _tasks(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("aibridge_tasks") or 0
