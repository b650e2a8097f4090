"""Two gateways on one database, as behind a load balancer: whichever somebody meets knows what the other one knows."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aibridge.testing import FakeOpenAI, answer
from tests.databases import Database
from tests.served import COMMAND, Gateway, environment, serving
from tests.talking import CHAT, body, settings
from tests.waiting import until

REVOKED_SECONDS = 5  # docs/identity.md


@pytest.fixture
def shared(empty_database: Database) -> Iterator[dict[str, Any]]:
    """What both have in their settings."""
    with FakeOpenAI(lambda _: answer("It is late.")) as provider:
        yield settings(
            provider,
            auth={"mode": "keys"},
            limits={"ada": {"actor": "ada", "dollars_per_day": 1}},
            prices={"gpt-6": {"input": 1_000_000, "output": 1_000_000}},
            recorder={"url": empty_database.url},
        )


@pytest.fixture
def gateways(shared: dict[str, Any], tmp_path: Path) -> Iterator[list[Gateway]]:
    with ExitStack() as stack:
        homes = [tmp_path / "one", tmp_path / "other"]
        for home in homes:
            home.mkdir()
        yield [
            stack.enter_context(serving(home, {**shared, "recorder": {**shared["recorder"], "spool_dir": str(home)}}))
            for home in homes
        ]


def keys(gateway: Gateway, *words: str) -> str:
    command = [str(COMMAND), "keys", *words, "--config", str(gateway.config)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()


def ask(gateway: Gateway, key: str) -> httpx2.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx2.post(f"{gateway.url}{CHAT}", json=body(), headers=headers, trust_env=False, timeout=10)


def refusal(gateway: Gateway, key: str) -> dict[str, Any] | None:
    """Why nothing is left to spend: for good, or (429, for a second at most) until the last round is settled."""
    refused = ask(gateway, key)
    assert refused.status_code in (403, 429)
    error: dict[str, Any] = refused.json()["error"]
    return error if refused.status_code == 403 else None


def test_keys_limits_and_records_are_those_of_both(gateways: list[Gateway], empty_database: Database) -> None:
    one, other = gateways
    ada, grace = (keys(one, "create", "--actor", actor) for actor in ("ada", "grace"))

    assert ask(one, ada).status_code == 200
    error = until(lambda: refusal(other, ada))
    assert error["code"] == "budget_exceeded"
    assert error["message"].startswith("The limit ada (dollars_per_day) is reached for ada: $")

    assert [ask(gateway, grace).status_code for gateway in gateways] == [200, 200]
    trail = "SELECT DISTINCT instance_id FROM aibridge_interceptions WHERE initiator_id = ? AND status = 'completed'"
    assert len(until(lambda: found if len(found := empty_database.query(trail, "grace")) == 2 else None)) == 2

    [key] = empty_database.query("SELECT id FROM aibridge_keys WHERE actor = ?", "grace")
    keys(one, "revoke", key["id"])
    until(lambda: [ask(gateway, grace).status_code for gateway in gateways] == [401, 401], REVOKED_SECONDS)
