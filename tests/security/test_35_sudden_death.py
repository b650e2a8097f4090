"""Threat 35: SIGKILL at any moment. Whatever was accepted has a start and, after a restart, an end, once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random

import httpx2
import psutil
import pytest

from aibridge.testing import Answer, FakeOpenAI, Request, answer, delay, words
from tests.databases import Database
from tests.security.house import CHAT, body
from tests.served import Gateway, serving
from tests.waiting import until

CLIENTS = 12
LIVES = 3
OPEN = "aibridge_interceptions WHERE ended_at IS NULL"


def at_length(_: Request) -> Answer:
    return answer([(word, delay(0.03)) for word in words("It is always in the midst of something.")])


@pytest.fixture
def provider() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(at_length, keep_requests=False) as provider:
        yield provider


class Clients:
    """They ask one thing after another until the gateway is gone."""

    def __init__(self, url: str, victim: Callable[[], int], patience: int) -> None:
        self.accepted: list[str] = []
        self._url = url
        self._victim = victim
        self._patience = patience
        self._numbers = count()

    async def run(self) -> list[str]:
        """Kills the victim once so many were accepted. What the others accept is accepted too."""
        async with httpx2.AsyncClient(base_url=self._url, timeout=20, trust_env=False) as client:
            await asyncio.gather(*(self._ask(client) for _ in range(CLIENTS)))
        return self.accepted

    async def _ask(self, client: httpx2.AsyncClient) -> None:
        while len(self.accepted) < self._patience + CLIENTS:
            streaming = next(self._numbers) % 2 == 0
            try:
                async with client.stream("POST", CHAT, json=body(stream=streaming)) as response:
                    assert response.status_code == 200
                    self._note(response.headers["x-aibridge-interception-id"])
                    await response.aread()
            except httpx2.TransportError:
                return

    def _note(self, interception: str) -> None:
        self.accepted.append(interception)
        if len(self.accepted) == self._patience:
            os.kill(self._victim(), signal.SIGKILL)


def statuses(database: Database) -> dict[str, str]:
    return {row["id"]: row["status"] for row in database.query("SELECT id, status FROM aibridge_interceptions")}


def assert_whole(database: Database, accepted: list[str]) -> None:
    """Once the next one is up."""
    until(lambda: not database.query(f"SELECT id FROM {OPEN}"), 20)  # noqa: S608  a name of ours
    found = statuses(database)
    assert len(accepted) == len(set(accepted))
    assert set(accepted) <= found.keys()
    assert set(found.values()) <= {"completed", "failed", "cancelled", "crashed"}
    assert "crashed" in found.values(), "it was killed in its sleep: nothing was tested"
    for table in ("user_prompts", "token_usages"):
        rows = database.query(f"SELECT interception_id AS id FROM aibridge_{table}")  # noqa: S608  a name of ours
        ids = [row["id"] for row in rows]
        assert len(ids) == len(set(ids))
        assert {name for name, status in found.items() if status == "completed"} <= set(ids)


def settings(provider: FakeOpenAI, database: Database, home: Path) -> dict[str, object]:
    return {
        "providers": {"openai": {"base_url": provider.url, "api_keys": ["sk-canary-0123456789abcdef"]}},
        "recorder": {"url": database.url, "spool_dir": str(home / "spool")},
    }


def test_35_the_gateway_is_killed_under_load_and_every_start_has_its_end(
    provider: FakeOpenAI, database: Database, tmp_path: Path
) -> None:
    accepted: list[str] = []
    random = Random(35)
    for _ in range(LIVES):
        accepted += die_after(random.randint(1, 60), tmp_path, settings(provider, database, tmp_path))
    with serving(tmp_path, settings(provider, database, tmp_path)):
        assert_whole(database, accepted)


def die_after(requests: int, home: Path, settings: dict[str, object]) -> list[str]:
    with serving(home, settings) as gateway:
        accepted = asyncio.run(Clients(gateway.url, lambda: gateway.pid, requests).run())
        assert gateway.status() == -signal.SIGKILL
    return accepted


def test_35_the_gateway_is_killed_while_it_stops_and_every_start_has_its_end(
    provider: FakeOpenAI, database: Database, tmp_path: Path
) -> None:
    with serving(tmp_path, settings(provider, database, tmp_path)) as gateway:
        asked = asyncio.run(open_streams(gateway))
        assert gateway.status() == -signal.SIGKILL
    with serving(tmp_path, settings(provider, database, tmp_path)):
        assert_whole(database, asked)


async def open_streams(gateway: Gateway) -> list[str]:
    """Streams that a SIGTERM finds open, and a SIGKILL too."""
    accepted: list[str] = []
    all_open = asyncio.Event()

    async def hear(client: httpx2.AsyncClient) -> None:
        with suppress(httpx2.TransportError):
            async with client.stream("POST", CHAT, json=body(stream=True)) as response:
                accepted.append(response.headers["x-aibridge-interception-id"])
                if len(accepted) == CLIENTS:
                    all_open.set()
                await response.aread()

    async with httpx2.AsyncClient(base_url=gateway.url, timeout=20, trust_env=False) as client:
        hearing = asyncio.gather(*(hear(client) for _ in range(CLIENTS)))
        await all_open.wait()
        gateway.signal(signal.SIGTERM)
        gateway.signal(signal.SIGKILL)
        await hearing
    return accepted


@pytest.mark.only_on("sqlite")
def test_35_a_worker_is_killed_under_load_and_another_ends_what_it_began(
    provider: FakeOpenAI, database: Database, tmp_path: Path
) -> None:
    with serving(tmp_path, settings(provider, database, tmp_path), "--workers", "2") as gateway:
        workers = {row["pid"] for row in until(lambda: two_instances(database))}
        victims: list[int] = []

        def busiest() -> int:
            victims.append(max(workers, key=lambda pid: len(psutil.Process(pid).net_connections())))
            return victims[0]

        accepted = asyncio.run(Clients(gateway.url, busiest, 30).run())
        until(lambda: not {*victims} & {row["pid"] for row in two_instances(database) or [{"pid": victims[0]}]}, 20)
        assert_whole(database, accepted)


def two_instances(database: Database) -> list[dict[str, int]] | None:
    rows = database.query("SELECT pid FROM aibridge_instances")
    return rows if len(rows) == 2 else None
