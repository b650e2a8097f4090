"""Settings that change while the gateway serves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from aibridge.config import ConfigError, Settings
from aibridge.reload import Reload
from aibridge.testing import Answer, Error, FakeOpenAI, Request, answer, call, error, wait
from aibridge.testing.gate import Gate
from tests.served import Gateway, serving
from tests.talking import CLOCK, ask, body, looks_at_the_clock, open_stream, settings
from tests.waiting import until

NEW_KEY = "sk-renewed-0123456789abcdef"


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(looks_at_the_clock) as running:
        yield running


@pytest.fixture
def gateway(provider: FakeOpenAI, tmp_path: Path) -> Iterator[Gateway]:
    provider.handler = looks_at_the_clock
    with serving(tmp_path, settings(provider)) as running:
        yield running


def reload(gateway: Gateway, outcome: str) -> None:
    """By a signal, and waits for what comes of it."""
    before = times(gateway, outcome)
    gateway.signal(signal.SIGHUP)
    until(lambda: times(gateway, outcome) > before)


def times(gateway: Gateway, outcome: str) -> int:
    words = {"applied": "the new settings are in force", "refused": "the new settings are refused"}
    return gateway.output.count(words[outcome])


def clocks(gateway: Gateway) -> list[psutil.Process]:
    children = psutil.Process(gateway.pid).children(recursive=True)
    return [child for child in children if "aibridge.testing.demo" in child.cmdline()]


def changed_key(settings: dict[str, Any], key: str) -> dict[str, Any]:
    return {**settings, "providers": {"openai": {**settings["providers"]["openai"], "api_keys": [key]}}}


def test_providers_and_mcp_servers_come_and_go_while_a_stream_goes_on(gateway: Gateway, provider: FakeOpenAI) -> None:
    gate = Gate()

    def slowly(request: Request) -> Answer:
        if request.tool_results:
            return answer("There: ", f"it is late, {next(iter(request.tool_results.values()))[-3:]}.")
        return answer("Let me look. ", wait(gate), call("bmcp_clock_now", {"tz": "UTC"}))

    provider.handler = slowly
    (old_clock,) = clocks(gateway)
    with open_stream(gateway) as rest:
        one = settings(provider)["providers"]["openai"]
        gateway.configure(
            settings(provider, providers={"second": {"type": "openai", **one}}, mcp_servers={"watch": CLOCK})
        )
        reload(gateway, "applied")

        provider.handler = answer("Yes.")
        assert ask(gateway).status_code == 404
        response = httpx2.post(f"{gateway.url}/second/v1/chat/completions", json=body(), trust_env=False)
        assert response.json()["choices"][0]["message"]["content"] == "Yes."
        assert [tool["function"]["name"] for tool in provider.requests[-1].json["tools"]] == ["bmcp_watch_now"]
        assert [one["server"] for one in gateway.get("/readyz").json()["mcp_servers"]] == ["watch"]

        provider.handler = slowly
        gate.open()
        heard = "".join(rest)
        assert "it is late, UTC." in heard  # by the server that it began with
        assert heard.endswith("data: [DONE]\n\n")
    until(lambda: not old_clock.is_running())
    assert len(clocks(gateway)) == 1


def test_a_changed_key_is_used_by_the_next_request_and_seen_nowhere(gateway: Gateway, provider: FakeOpenAI) -> None:
    def handler(request: Request) -> Answer | Error:
        key = request.headers["authorization"].removeprefix("Bearer ")
        return answer("Welcome.") if key == NEW_KEY else error(401, f"Wrong key {key}")

    provider.handler = handler
    assert ask(gateway).status_code == 502
    (clock,) = clocks(gateway)
    gateway.configure(changed_key(settings(provider), NEW_KEY))
    until(lambda: times(gateway, "applied") == 1)  # without a signal: the file is watched
    assert ask(gateway).status_code == 200
    assert clocks(gateway) == [clock]  # what has not changed goes on

    provider.handler = error(400, f"What is {NEW_KEY}?")
    assert NEW_KEY not in ask(gateway).text
    assert NEW_KEY not in gateway.output


def test_a_bad_file_is_refused_and_the_old_one_stays_in_force(gateway: Gateway, provider: FakeOpenAI) -> None:
    good = gateway.config.read_text()
    gateway.config.write_text("providers: {openai: {timeouts: {conect: 1}}}")
    reload(gateway, "refused")
    reason = "mine.yaml: providers.openai.timeouts.conect: unknown key; did you mean connect?"
    assert reason in gateway.output
    page = gateway.get("/readyz")
    assert page.status_code == 200
    assert page.json()["config"].startswith("refused: ")
    assert reason in page.json()["config"]
    assert "aibridge_config_last_reload_success 0.0" in gateway.get("/metrics").text
    assert ask(gateway).status_code == 200

    gateway.config.write_text(
        '{"providers": {"openai": {"ca_file": "/nowhere/ca.pem"}}}'
    )  # only the room itself can see it
    reload(gateway, "refused")
    assert "providers.openai.ca_file" in gateway.get("/readyz").json()["config"]

    gateway.config.write_text(good)
    gateway.signal(signal.SIGHUP)
    until(lambda: gateway.get("/readyz").json()["config"] == "ok")
    assert "aibridge_config_last_reload_success 1.0" in gateway.get("/metrics").text


def test_what_needs_a_restart_is_named_and_the_rest_holds(gateway: Gateway, provider: FakeOpenAI) -> None:
    more = {"server": {"keepalive_seconds": 3, "port": 1}, "recorder": {"prompts": "none", "url": "sqlite:///other.db"}}
    gateway.configure({**changed_key(settings(provider), NEW_KEY), **more})
    reload(gateway, "applied")
    named = "server.port, server.keepalive_seconds, recorder.url, recorder.prompts"
    assert f"these settings need a restart to change: {named}" in gateway.output
    assert ask(gateway).status_code == 200
    assert provider.requests[-1].headers["authorization"] == f"Bearer {NEW_KEY}"


# The order of things, without processes.


class Script:
    """What is read, one after the other, and what came of it."""

    def __init__(self, *readings: Settings | Exception) -> None:
        self.readings = list(readings)
        self.applied: list[Settings] = []
        self.told: list[bool] = []
        self.reload = Reload(Settings(), self._read, self._apply, told=self.told.append)

    def _read(self) -> Settings:
        reading = self.readings.pop(0)
        if isinstance(reading, Exception):
            raise reading
        return reading

    async def _apply(self, settings: Settings) -> None:
        self.applied.append(settings)


def with_prefix(prefix: str) -> Settings:
    return Settings.model_validate({"tools": {"prefix": prefix}})


async def test_what_is_the_same_is_not_applied() -> None:
    script = Script(Settings())
    await script.reload.once()
    assert (script.applied, script.told) == ([], [])


async def test_whoever_asked_aloud_hears_that_nothing_has_changed_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    script = Script(Settings(), Settings())
    script.reload.ask(aloud=True)
    await script.reload.once()
    await script.reload.once()
    assert caplog.messages == ["the settings have not changed"]


async def test_what_is_refused_says_why_until_it_is_mended() -> None:
    script = Script(with_prefix("a"), ConfigError("wrong", "and wrong"), with_prefix("a"))
    for fault in (None, "wrong; and wrong", None):
        await script.reload.once()
        assert script.reload.fault == fault
    assert script.told == [True, False, True]
    assert script.applied == [with_prefix("a")]
    assert script.reload.settings == with_prefix("a")


async def test_a_fault_of_ours_is_a_refusal_too(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(ZeroDivisionError("oops"))
    await script.reload.once()
    assert script.reload.fault == "a fault of ours, ZeroDivisionError: the log says more"
    assert "oops" in caplog.text


async def test_what_needs_a_restart_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    late = Settings.model_validate({"server": {"port": 1}})
    script = Script(late, late)
    await script.reload.once()
    await script.reload.once()
    assert caplog.text.count("server.port") == 1
    assert script.reload.settings.server.port == 8080


async def test_readings_that_are_asked_for_at_once_are_one() -> None:
    script = Script(with_prefix("a"), with_prefix("b"))
    running = asyncio.create_task(script.reload.run())
    script.reload.ask()
    script.reload.ask()
    async with asyncio.timeout(5):
        while not script.applied:  # noqa: ASYNC110  it is read in a thread
            await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(script.readings) == 1
    running.cancel()
