"""`aibridge serve --workers 2` as its users run it: processes, from the first to the last."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from aibridge.config import Settings, Source
from aibridge.gateway.listening import listen
from aibridge.testing import FakeOpenAI, answer, wait
from aibridge.testing.gate import Gate
from aibridge.workers import parent, worker
from tests.processes import Process
from tests.served import COMMAND, Gateway, environment, serving
from tests.talking import CHAT, ask, body, looks_at_the_clock, open_stream, settings
from tests.waiting import eventually, until


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(looks_at_the_clock) as running:
        yield running


@pytest.fixture(autouse=True)
def _usual_answers(provider: FakeOpenAI) -> None:
    provider.handler = looks_at_the_clock


@contextmanager
def two_workers(home: Path, settings: dict[str, Any]) -> Iterator[Gateway]:
    with serving(home, settings, "--workers", "2") as gateway:
        gateway.wait_for_line("worker 1 serves")
        gateway.wait_for_line("worker 2 serves")
        yield gateway


def workers(gateway: Gateway) -> list[psutil.Process]:
    """Those that live."""
    children = psutil.Process(gateway.pid).children()
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


def entries(gateway: Gateway, words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in list(gateway.lines) if words in line]


def counted(gateway: Gateway) -> float:
    """How many interceptions have ended, by `/metrics`."""
    return total_of(gateway.get("/metrics").text)


def total_of(page: str) -> float:
    return sum(float(value) for value in re.findall(r"^aibridge_interceptions_total\{.*\} (.*)$", page, re.MULTILINE))


def ask_often(gateway: Gateway, times: int) -> set[int]:
    """Over as many connections, eight at a time; the statuses."""
    with ThreadPoolExecutor(8) as pool:
        return {response.status_code for response in pool.map(lambda _: ask(gateway), range(times))}


def test_they_share_the_load_and_one_that_dies_is_replaced(provider: FakeOpenAI, tmp_path: Path) -> None:
    with two_workers(tmp_path, settings(provider, mcp_servers={})) as gateway:
        provider.handler = answer("Yes.")
        assert ask_often(gateway, 40) == {200}
        owners = {row["instance_id"] for row in gateway.interceptions(40)}
        assert len(owners) == 2
        assert [counted(gateway) for _ in range(4)] == [40, 40, 40, 40]  # whichever worker is asked

        victim = workers(gateway)[0]
        victim.send_signal(signal.SIGKILL)
        assert ask_often(gateway, 20) == {200}
        gateway.wait_for_line(r"worker \d ended with signal 9 \(SIGKILL\); another begins in")
        until(lambda: len(entries(gateway, " serves: process ")) == 3)
        assert len(workers(gateway)) == 2
        assert victim.pid not in [worker.pid for worker in workers(gateway)]
        assert counted(gateway) == 60  # what the dead one had counted is not forgotten

        gateway.signal(signal.SIGTERM)
        assert gateway.status() == 0


def test_at_sigterm_what_is_open_finishes(provider: FakeOpenAI, tmp_path: Path) -> None:
    gate = Gate()
    provider.handler = answer("Let me ", wait(gate), "think.")
    with two_workers(tmp_path, settings(provider)) as gateway:
        everybody = psutil.Process(gateway.pid).children(recursive=True)
        assert len([one for one in everybody if "aibridge.testing.demo" in one.cmdline()]) == 2  # sessions of their own
        with ExitStack() as streams:
            open_ones = [streams.enter_context(open_stream(gateway)) for _ in range(6)]
            gateway.signal(signal.SIGTERM)
            until(lambda: gateway.get("/readyz").status_code == 503)
            gate.open()
            for rest in open_ones:
                heard = "".join(rest)
                assert "think." in heard
                assert heard.endswith("data: [DONE]\n\n")
        assert gateway.status() == 0
        assert not [one for one in everybody if one.is_running()]
    assert {row["status"] for row in gateway.interceptions(6)} == {"completed"}


def test_at_the_second_signal_what_is_open_is_ended_in_its_stream(provider: FakeOpenAI, tmp_path: Path) -> None:
    provider.handler = answer("Let me ", wait(Gate()))
    with two_workers(tmp_path, settings(provider, mcp_servers={})) as gateway:
        with open_stream(gateway) as rest:
            gateway.signal(signal.SIGINT)
            until(lambda: gateway.get("/readyz").status_code == 503)
            for worker in workers(gateway):
                worker.send_signal(signal.SIGTERM)  # as from a service manager that signals all; it is not a second one
            gateway.signal(signal.SIGINT)
            assert '"message":"aibridge is stopping: ask again"' in "".join(rest)
        assert gateway.status() == 0


@pytest.fixture(scope="module")
def gateway(provider: FakeOpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that serves the tests which do not stop it."""
    with two_workers(tmp_path_factory.mktemp("gateway"), settings(provider, mcp_servers={})) as running:
        yield running


def test_a_worker_heeds_its_parent_alone(provider: FakeOpenAI, gateway: Gateway) -> None:
    gate = Gate()
    provider.handler = answer("Let me ", wait(gate), "think.")
    with open_stream(gateway) as rest:
        for worker in workers(gateway):
            worker.send_signal(signal.SIGTERM)
            worker.send_signal(signal.SIGINT)
        assert gateway.get("/readyz").status_code == 200
        gate.open()
        assert "think." in "".join(rest)


def test_when_the_parent_is_killed_nothing_is_left(provider: FakeOpenAI, tmp_path: Path) -> None:
    provider.handler = answer("Let me ", wait(Gate()))
    with two_workers(tmp_path, settings(provider)) as gateway:
        everybody = psutil.Process(gateway.pid).children(recursive=True)
        with open_stream(gateway) as rest:
            gateway.signal(signal.SIGKILL)
            assert '"message":"aibridge is stopping: ask again"' in "".join(rest)
        _, alive = psutil.wait_procs(everybody, 15)
        assert alive == []
    assert [row["status"] for row in gateway.interceptions()] == ["failed"]


def test_they_read_the_settings_again_at_their_parent_s_sighup_and_so_do_their_successors(
    provider: FakeOpenAI, tmp_path: Path
) -> None:
    provider.handler = answer("Yes.")
    unwatched = settings(provider, mcp_servers={}, server={"watch_config": False})
    with two_workers(tmp_path, unwatched) as gateway:
        gateway.configure(
            {**unwatched, "providers": {"second": {**unwatched["providers"]["openai"], "type": "openai"}}}
        )
        gateway.signal(signal.SIGHUP)
        until(lambda: {one["worker"] for one in entries(gateway, "the new settings are in force")} == {1, 2})

        gateway.config.write_text("providers: {openai: nonsense}")
        for worker in workers(gateway):
            worker.send_signal(signal.SIGKILL)
        until(lambda: len(entries(gateway, " serves: process ")) == 4)
        url = f"{gateway.url}{CHAT.replace('openai', 'second')}"
        assert httpx2.post(url, json=body(), trust_env=False).status_code == 200


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("recorder: {url: 'sqlite:////nowhere/at/all.db'}", "/nowhere/at"),
        ("providers: {openai: {ca_file: /nowhere/ca.pem}}", "providers.openai.ca_file"),
    ],
)
def test_where_the_first_does_not_get_up_the_parent_gives_up(tmp_path: Path, file: str, words: str) -> None:
    (tmp_path / "aibridge.yaml").write_text(file)
    with Process([COMMAND, "serve", "--workers", "2", "--port", "0"], env=environment(), cwd=tmp_path) as process:
        assert process.status() == 1
        reason, end = process.lines
    assert words in reason
    assert "aibridge cannot begin: its first worker ended with status 1" in end


def test_a_worker_that_hangs_counts_as_it_last_did_and_holds_no_request_up(
    provider: FakeOpenAI, gateway: Gateway
) -> None:
    provider.handler = answer("Yes.")
    ask_often(gateway, 10)
    before = counted(gateway)
    hung, _ = workers(gateway)
    hung.suspend()
    try:
        assert counted(gateway) == before
        assert ask_often(gateway, 10) == {200}
    finally:
        hung.resume()


async def test_a_worker_that_does_not_stop_is_killed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deaf = """
import signal, socket, sys
from aibridge.workers.task import Task
channel = socket.socket(fileno=Task.unpacked(sys.stdin.buffer).channel)
channel.sendall(b"up \\n")
signal.pause()
"""
    monkeypatch.setattr(worker, "COMMAND", (sys.executable, "-c", deaf))
    monkeypatch.setattr(parent, "CLOSING_SECONDS", 0.05)
    caplog.set_level(logging.INFO)
    stubborn = Settings.model_validate({"server": {"shutdown_grace_seconds": 0, "workers": 2}})
    with listen("127.0.0.1", 0) as listener:
        running = asyncio.create_task(parent.Parent(stubborn, Source(), listener).run())
        async with asyncio.timeout(20):
            await eventually(lambda: caplog.text.count(" serves: process ") >= 2, 20)
            signal.raise_signal(signal.SIGTERM)
            assert await running == 1
