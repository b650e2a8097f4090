import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from aibridge.model import Interception, Outcome, PromptRecord, Record, TokenUsage
from aibridge.telemetry.metered import MetricsListener
from aibridge.telemetry.metrics import Metrics
from aibridge.telemetry.watch import Watch
from tests.telemetry.fakes import INJECTED, INTERCEPTION, PROMPT, SELECTED, THOUGHT, USAGE, FakeClock

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
WHERE = {"provider": "work", "model": "gpt-x"}
ASKED = WHERE | {"client": "Codex"}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def samples(metrics: Metrics) -> Samples:
    body, _ = metrics.render()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, labels: dict[str, str]) -> float | None:
    return samples(metrics).get((f"aibridge_{name}", frozenset(labels.items())))


def play(metrics: Metrics, *records: Record, interception: Interception = INTERCEPTION) -> None:
    listener = MetricsListener(metrics)
    listener.start(interception)
    for record in records:
        listener.record(interception, record)
    listener.finish(interception, Outcome("completed", 1))


def test_an_interception_is_in_flight_until_it_ends(metrics: Metrics) -> None:
    listener, where = MetricsListener(metrics), WHERE | {"route": INTERCEPTION.route}
    listener.start(INTERCEPTION)
    assert value(metrics, "interceptions_inflight", where) == 1
    listener.finish(INTERCEPTION, Outcome("failed", 1, "timeout"))
    assert value(metrics, "interceptions_inflight", where) == 0
    ended = ASKED | {"status": "failed", "route": INTERCEPTION.route, "method": "POST"}
    assert value(metrics, "interceptions_total", ended) == 1


def test_prompts_and_tools_are_counted_and_thoughts_are_not(metrics: Metrics) -> None:
    play(metrics, PROMPT, INJECTED, replace(INJECTED, error="no"), INJECTED, SELECTED, THOUGHT)
    assert value(metrics, "prompts_total", ASKED) == 1
    ours = WHERE | {"server": "time", "name": "now"}
    assert value(metrics, "injected_tool_invocations_total", ours | {"outcome": "completed"}) == 2
    assert value(metrics, "injected_tool_invocations_total", ours | {"outcome": "failed"}) == 1
    assert value(metrics, "non_injected_tool_selections_total", WHERE | {"name": "read_file"}) == 1


def test_tokens_are_counted_by_type_over_all_rounds(metrics: Metrics) -> None:
    extra = {"completion_reasoning": 4, "total_tokens": 20, "estimated": True, "zero": 0, "odd": "x"}
    play(metrics, USAGE, replace(USAGE, cache_read=0, extra=extra))
    found = {
        dict(labels)["type"]: number
        for (name, labels), number in samples(metrics).items()
        if name == "aibridge_tokens_total"
    }
    assert found == {
        "input": 20,
        "output": 10,
        "cache_read_input": 3,
        "cache_write_input": 4,
        "completion_reasoning": 4,
    }


def test_times_come_from_the_watch(metrics: Metrics) -> None:
    clock = FakeClock()
    with Watch("id", clock) as watch:
        clock.advance(2)
        watch.waited, watch.first_token = 1.5, 0.7
        play(metrics)
    assert value(metrics, "interceptions_duration_seconds_sum", WHERE) == 2
    assert value(metrics, "overhead_seconds_sum", {"route": INTERCEPTION.route}) == 0.5
    assert value(metrics, "time_to_first_token_seconds_sum", WHERE) == 0.7


def test_each_round_is_told_by_the_conventions_too(metrics: Metrics) -> None:
    with Watch("id") as watch:
        watch.round = 3.0
        play(metrics, USAGE, replace(USAGE, output=600))
    found = samples(metrics)
    about = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-x"}

    def told(name: str, **more: str) -> float:
        return found[f"gen_ai_client_{name}", frozenset((about | more).items())]

    assert told("token_usage_sum", gen_ai_token_type="input") == 30  # by convention, cached ones count
    assert told("token_usage_sum", gen_ai_token_type="output") == 605
    assert told("token_usage_bucket", gen_ai_token_type="output", le="16.0") == 1
    assert told("token_usage_bucket", gen_ai_token_type="output", le="1024.0") == 2
    assert told("operation_duration_seconds_sum") == 6
    assert told("operation_duration_seconds_bucket", le="2.56") == 0
    assert told("operation_duration_seconds_bucket", le="5.12") == 2


def test_a_round_whose_time_is_not_known_has_tokens_alone(metrics: Metrics) -> None:
    play(metrics, USAGE)
    with Watch("id"):
        play(metrics, USAGE)
    names = {name for name, _ in samples(metrics)}
    assert "gen_ai_client_token_usage_count" in names
    assert "gen_ai_client_operation_duration_seconds_count" not in names


def test_an_answer_in_one_piece_has_no_first_token(metrics: Metrics) -> None:
    with Watch("id") as watch:
        watch.first_token = 0.7
        play(metrics, interception=replace(INTERCEPTION, streaming=False))
    assert value(metrics, "time_to_first_token_seconds_count", WHERE) is None
    assert value(metrics, "interceptions_duration_seconds_count", WHERE) == 1


def test_without_a_watch_only_the_times_are_missing(metrics: Metrics) -> None:
    play(metrics)
    assert value(metrics, "interceptions_duration_seconds_count", WHERE) is None
    assert {name for name, _ in samples(metrics) if name == "aibridge_interceptions_total"}


def test_labels_that_a_caller_chooses_are_bounded(metrics: Metrics) -> None:
    for number in range(300):
        usage = TokenUsage(None, 1, 1, extra={f"type{number}": 1})
        tool, ours = replace(SELECTED, tool=f"tool{number}"), replace(INJECTED, tool=f"ours{number * 4}")
        interception = replace(INTERCEPTION, model=f"model{number}", client=f"client{number}")
        play(metrics, PromptRecord("?", None), usage, tool, ours, interception=interception)
    seen: dict[str, set[str]] = {}
    for name, labels in samples(metrics):
        for label, content in labels:
            if name.startswith("aibridge_"):
                seen.setdefault(f"{name}.{label}", set()).add(content)
    assert len(seen["aibridge_interceptions_total.model"]) == 201
    assert "other" in seen["aibridge_interceptions_total.model"]
    assert len(seen["aibridge_interceptions_total.client"]) == 51
    assert len(seen["aibridge_non_injected_tool_selections_total.name"]) == 201
    assert len(seen["aibridge_tokens_total.type"]) == 53
    assert (
        value(metrics, "interceptions_inflight", {"provider": "work", "model": "other", "route": INTERCEPTION.route})
        == 0
    )
