"""Threat 34: a database that fails while the gateway serves. Traffic goes on, and the records come after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from aibridge.testing import FakeOpenAI, answer
from tests.databases import Database
from tests.outages import OUTAGES, Outage, locked
from tests.security.house import CHAT, body
from tests.served import Gateway, serving
from tests.waiting import until

SOME = 12


@pytest.fixture
def provider() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(answer("Fine."), keep_requests=False) as provider:
        yield provider


def settings(provider: FakeOpenAI, database: Database, home: Path, **recorder: object) -> dict[str, object]:
    return {
        "providers": {"openai": {"base_url": provider.url, "api_keys": ["sk-canary-0123456789abcdef"]}},
        "recorder": {"url": database.url, "spool_dir": str(home / "spool"), **recorder},
    }


def ask(gateway: Gateway) -> httpx2.Response:
    return httpx2.post(f"{gateway.url}{CHAT}", json=body(), trust_env=False, timeout=20)


def ask_some(gateway: Gateway) -> list[str]:
    """Requests at once, all answered; their interceptions."""
    with ThreadPoolExecutor(4) as executor:
        answers = list(executor.map(lambda _: ask(gateway), range(SOME)))
    assert [answer.status_code for answer in answers] == [200] * SOME
    return [answer.headers["x-aibridge-interception-id"] for answer in answers]


def metric(gateway: Gateway, name: str) -> float:
    (line,) = [line for line in gateway.get("/metrics").text.splitlines() if line.startswith(f"aibridge_{name} ")]
    return float(line.split()[1])


def recorder_says(gateway: Gateway) -> str:
    told: str = json.loads(gateway.get("/readyz").text)["recorder"]
    return told


def in_the_database(database: Database) -> dict[str, object]:
    """Interceptions and their status."""
    return {row["id"]: row["status"] for row in database.query("SELECT id, status FROM aibridge_interceptions")}


def is_calm(gateway: Gateway) -> bool:
    return recorder_says(gateway) == "ok" and metric(gateway, "recorder_spooled_records") == 0


def test_34_the_database_fails_in_every_way_and_every_record_comes_after(
    provider: FakeOpenAI, database: Database, tmp_path: Path
) -> None:
    with serving(tmp_path, settings(provider, database, tmp_path)) as gateway:
        asked = ask_some(gateway)
        until(lambda: len(in_the_database(database)) == SOME)
        for outage in OUTAGES[database.kind].values():
            asked += outlive(gateway, database, outage)
        assert in_the_database(database) == dict.fromkeys(asked, "completed")
        for table in ("user_prompts", "token_usages"):
            rows = database.query(f"SELECT interception_id AS id FROM aibridge_{table}")  # noqa: S608  a name of ours
            assert sorted(row["id"] for row in rows) == sorted(asked)
        assert metric(gateway, "recorder_dropped_records_total") == 0


def outlive(gateway: Gateway, database: Database, outage: Outage) -> list[str]:
    """Asks while the database is away, from before anybody has noticed until after it is back."""
    with outage(database, gateway.pid):
        asked = ask_some(gateway)
        until(lambda: recorder_says(gateway).startswith("degraded: the database takes no records ("))
        assert metric(gateway, "recorder_spooled_records") > 0
        asked += ask_some(gateway)
    asked += ask_some(gateway)
    until(lambda: is_calm(gateway), 30)
    return asked


@pytest.mark.only_on("sqlite")
def test_34_with_no_room_left_either_refuse_turns_new_requests_away(
    provider: FakeOpenAI, database: Database, tmp_path: Path
) -> None:
    with serving(tmp_path, settings(provider, database, tmp_path, spool_max_bytes=1)) as gateway:
        with locked(database, gateway.pid):
            kept = ask(gateway)
            refused = ask(gateway)
            assert (kept.status_code, refused.status_code) == (200, 503)
            assert "try again later" in refused.json()["error"]["message"]
            assert gateway.get("/readyz").status_code == 503
        until(lambda: is_calm(gateway))
        assert ask(gateway).status_code == 200
        assert in_the_database(database)[kept.headers["x-aibridge-interception-id"]] == "completed"
        assert metric(gateway, "recorder_dropped_records_total") == 0


@pytest.mark.only_on("sqlite")
def test_34_with_no_room_left_either_drop_and_count_serves_and_counts(
    provider: FakeOpenAI, database: Database, tmp_path: Path
) -> None:
    policy = {"spool_max_bytes": 1, "when_full": "drop_and_count"}
    with serving(tmp_path, settings(provider, database, tmp_path, **policy)) as gateway:
        with locked(database, gateway.pid):
            kept = ask(gateway)
            asked = ask_some(gateway)
            assert gateway.get("/readyz").status_code == 200
            until(lambda: metric(gateway, "recorder_dropped_records_total") == 4 * SOME)  # start, prompt, tokens, end
        until(lambda: is_calm(gateway))
        assert in_the_database(database) == {kept.headers["x-aibridge-interception-id"]: "completed"}
        assert kept.headers["x-aibridge-interception-id"] not in asked
