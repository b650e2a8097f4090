"""deploy/: files that load, settings that are settings, and no metric or label that the gateway does not have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from aibridge.config import load
from aibridge.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboards/overview.json").read_text())
ALERTS: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
UNIT = (DEPLOY / "aibridge.service").read_text()

OF_THE_SCRAPE = {"job", "instance", "le"}


def known() -> dict[str, set[str]]:
    """Every name that can be queried, with its labels."""
    metrics = Metrics()
    rendered = text_string_to_metric_families(metrics.render()[0].decode())
    kinds = {family.name: family.type for family in rendered}
    found: dict[str, set[str]] = {sample: set() for sample in ("up", *(name for name in kinds if "process_" in name))}
    found["process_cpu_seconds_total"] = set()
    for name, labels in metrics.labels.items():
        ends = ("_bucket", "_sum", "_count") if kinds.get(name) == "histogram" else ("",)
        found |= {name + end: set(labels) for end in ends}
    return found


KNOWN = known()
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}
EXPRESSIONS = {
    **{f"alert {rule['alert']}": rule["expr"] for rule in ALERTS},
    **{f"{title} {query['refId']}": query["expr"] for title, panel in PANELS.items() for query in panel["targets"]},
    **{f"variable {one['name']}": one["query"]["query"] for one in DASHBOARD["templating"]["list"]},
}


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric of an expression with the labels that it is selected by."""
    for name, labels in re.findall(r"\b((?:aibridge|process|gen_ai)_\w+|up)\b(?:\{([^}]*)\})?", expression):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_metric_and_label_is_there(name: str) -> None:
    expression = EXPRESSIONS[name]
    used = list(selectors(expression))
    assert used
    for metric, labels in used:
        assert metric in KNOWN, metric
        assert labels <= KNOWN[metric] | OF_THE_SCRAPE, metric
    everywhere = set.union(*(KNOWN[metric] for metric, _ in used)) | OF_THE_SCRAPE
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {label.strip() for label in grouped.split(",")} <= everywhere
    assert expression.count("(") == expression.count(")")


def test_what_an_alert_or_a_legend_says_of_labels_is_in_its_expression() -> None:
    for rule in ALERTS:
        said = re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values()))
        assert all(label in rule["expr"] or label in OF_THE_SCRAPE for label in said), rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
    for title, panel in PANELS.items():
        for query in panel["targets"]:
            assert all(
                label in query["expr"]
                for label in re.findall(r"{{(\w+)}}", query["legendFormat"])
                if label != "instance"
            ), title


SHOWN = """
    interceptions_total interceptions_inflight interceptions_duration_seconds time_to_first_token_seconds
    overhead_seconds tokens_total injected_tool_invocations_total non_injected_tool_selections_total
    circuit_breaker_state circuit_breaker_rejects_total recorder_queue_depth recorder_spooled_records
    recorder_dropped_records_total
"""


@pytest.mark.parametrize("metric", SHOWN.split())
def test_the_dashboard_shows_all_that_an_operator_looks_for(metric: str) -> None:
    assert [title for title, panel in PANELS.items() if f"aibridge_{metric}" in json.dumps(panel)]


def test_no_panel_lies_over_another() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_dashboard_reads_the_source_that_is_provided() -> None:
    [source] = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in PANELS.values()} == {source["uid"]}
    [provider] = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/aibridge.yml").read_text())["providers"]
    volumes = COMPOSE["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in volumes
    assert source["url"] == "http://prometheus:9090"


def test_prometheus_asks_the_gateway_and_reads_its_alerts() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert config["rule_files"] == ["alerts.yml"]
    [job] = config["scrape_configs"]
    assert (job["job_name"], job["static_configs"][0]["targets"]) == ("aibridge", ["gateway:8080"])
    assert "./alerts.yml:/etc/prometheus/alerts.yml:ro" in COMPOSE["services"]["prometheus"]["volumes"]


def test_the_files_that_compose_mounts_are_there() -> None:
    for name, service in COMPOSE["services"].items():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], (
                name,
                volume,
            )
    assert (DEPLOY / COMPOSE["services"]["gateway"]["build"] / "Dockerfile").is_file()


def test_its_secrets_are_those_of_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+(?:_KEY|_PASSWORD))\b", (DEPLOY / "compose.yaml").read_text()))
    example = re.findall(r"^(\w+)=(.*)$", (DEPLOY / "env.example").read_text(), flags=re.MULTILINE)
    assert {name for name, _ in example} == asked
    assert not [value for _, value in example if value]


def test_every_service_is_watched_and_listens_on_this_machine_alone() -> None:
    for name, service in COMPOSE["services"].items():
        assert "healthcheck" in service or name == "gateway"
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()


def test_its_settings_load() -> None:
    given = {"POSTGRES_PASSWORD": "s3cret", "OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": ""}
    passed = COMPOSE["services"]["gateway"]["environment"]
    assert set(passed) == set(given)
    settings = load(DEPLOY / "aibridge.yaml", {**given, "AIBRIDGE_AUTH__MODE": "keys"})
    assert settings.recorder.url == "postgresql://aibridge:s3cret@postgres/aibridge"
    assert settings.providers["openai"].api_keys == ("sk-1",)
    assert settings.providers["anthropic"].api_keys == ()
    assert str(settings.recorder.spool_dir).startswith("/data/")
    assert seconds(COMPOSE["services"]["gateway"]["stop_grace_period"]) > settings.server.shutdown_grace_seconds


def test_the_unit_waits_longer_than_the_gateway_takes_to_stop() -> None:
    settings = load(DEPLOY / "aibridge.yaml", {"POSTGRES_PASSWORD": "x"})
    assert (
        seconds(re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)[0]) > settings.server.shutdown_grace_seconds
    )


@pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="nothing here can judge the unit: apt-get install systemd"
)
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "aibridge.service"
    unit.write_text(UNIT.replace("/opt/aibridge/bin/aibridge", shutil.which("true") or "/bin/true"))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=30, check=False
    )
    assert (told.returncode, [line for line in told.stderr.splitlines() if "aibridge.service" in line]) == (0, [])


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))
