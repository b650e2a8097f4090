"""`aibridge serve` as its users run it: a process, from its settings file to its exit status."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aibridge.store.pins import open_pins
from aibridge.testing import Answer, Error, FakeOpenAI, Request, answer, call, disconnect, error, error_event, wait
from aibridge.testing.gate import Gate
from tests.processes import Process
from tests.served import COMMAND, Gateway, environment, serving
from tests.talking import CANARY, CHAT, QUESTION, ask, body, looks_at_the_clock, open_stream, settings
from tests.waiting import until

METRICS = [
    "interceptions_total",
    "interceptions_inflight",
    "interceptions_duration_seconds",
    "time_to_first_token_seconds",
    "overhead_seconds",
    "passthrough_total",
    "prompts_total",
    "tokens_total",
    "injected_tool_invocations_total",
    "non_injected_tool_selections_total",
    "circuit_breaker_state",
    "circuit_breaker_trips_total",
    "circuit_breaker_rejects_total",
    "recorder_queue_depth",
    "recorder_spooled_records",
    "recorder_dropped_records_total",
    "tasks",
]


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(looks_at_the_clock) as running:
        yield running


@pytest.fixture(autouse=True)
def _usual_answers(provider: FakeOpenAI) -> None:
    provider.handler = looks_at_the_clock


@pytest.fixture(scope="module")
def gateway(provider: FakeOpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that serves all tests which do not stop it."""
    with serving(tmp_path_factory.mktemp("gateway"), settings(provider)) as running:
        yield running


def test_it_is_alive_and_ready_and_says_what_it_is_ready_with(gateway: Gateway) -> None:
    assert gateway.get("/healthz").json() == {"status": "ok"}
    ready = gateway.get("/readyz").json()
    assert (ready["status"], ready["recorder"]) == ("ready", "ok")
    assert [(one["server"], one["state"], one["tools"]) for one in ready["mcp_servers"]] == [("clock", "connected", 1)]


def test_it_is_not_ready_until_its_mcp_servers_are(provider: FakeOpenAI, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    held = {"command": "sh", "args": ["-c", f"read _ <{gate}; exec {sys.executable} -m aibridge.testing.demo"]}
    with Gateway(tmp_path, settings(provider, mcp_servers={"held": held})) as gateway:
        page = gateway.get("/readyz")
        assert (page.status_code, page.json()["status"]) == (503, "not ready")
        assert page.json()["mcp_servers"][0]["state"] == "connecting"
        assert gateway.get("/healthz").status_code == 200

        gate.write_text("go on\n")
        gateway.wait_until_ready()
        assert gateway.get("/readyz").json()["mcp_servers"][0]["state"] == "connected"


def test_a_tool_that_is_not_as_it_was_approved_is_withheld(provider: FakeOpenAI, tmp_path: Path) -> None:
    async def pin() -> None:
        async with open_pins(f"sqlite:///{tmp_path}/aibridge.db") as pins:
            await pins.sync("clock", {"now": b'{"description": "Tells the time."}'})

    asyncio.run(pin())
    with Gateway(tmp_path, settings(provider, tools={"pinning": "enforce"})) as gateway:
        gateway.wait_until_ready()
        gateway.wait_for_line("MCP server clock has changed its tool now, which is withheld until it is approved")


def test_a_turn_is_in_the_database_within_a_second_of_its_end(gateway: Gateway) -> None:
    response = ask(gateway, stream=True)
    ended = time.monotonic()
    interception = gateway.interception(response.headers["x-aibridge-interception-id"], seconds=1)
    assert time.monotonic() - ended < 1

    id_ = interception["id"]
    assert (interception["status"], interception["rounds"], interception["model"]) == ("completed", 2, "gpt-6")
    assert interception["started_at"] < interception["ended_at"]
    (prompt,) = gateway.rows("aibridge_user_prompts", id_)
    assert prompt["prompt"] == QUESTION
    assert len(gateway.rows("aibridge_token_usages", id_)) == 2
    (usage,) = gateway.rows("aibridge_tool_usages", id_)
    assert (usage["tool"], usage["injected"], usage["server_url"]) == ("now", 1, sys.executable)
    for record in (prompt, usage, *gateway.rows("aibridge_token_usages", id_)):
        assert interception["started_at"] <= record["created_at"] <= interception["ended_at"]


def test_a_turn_is_in_the_database_while_it_is_open(gateway: Gateway, provider: FakeOpenAI) -> None:
    gate = Gate()
    provider.handler = answer("Let me ", wait(gate), "think.")
    with open_stream(gateway) as rest:
        (row,) = until(gateway.open_interceptions, 0.5)
        assert (row["status"], row["ended_at"], row["model"]) == (None, None, "gpt-6")
        gate.open()
        assert "[DONE]" in "".join(rest)
    assert gateway.interception(row["id"])["status"] == "completed"


def test_whoever_looks_into_the_database_takes_nothing_away(gateway: Gateway) -> None:
    """A connection that believes itself the last one takes SQLite's journal away, and all that is written to it."""
    for _ in range(3):
        id_ = ask(gateway, stream=True).headers["x-aibridge-interception-id"]
        assert gateway.interception(id_)["status"] == "completed"
        assert gateway.database.with_name("aibridge.db-wal").exists()


def test_its_metrics_have_the_names_that_dashboards_use(gateway: Gateway) -> None:
    ask(gateway, stream=True)
    page = gateway.get("/metrics")

    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert [name for name in METRICS if f"# TYPE aibridge_{name} " not in page.text] == []
    samples = {
        (sample.name, sample.labels.get("status") or sample.labels.get("outcome")): sample.labels
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }
    turn = {"provider": "openai", "model": "gpt-6", "status": "completed", "client": "Unknown"}
    assert samples["aibridge_interceptions_total", "completed"].items() >= turn.items()
    tool = {"provider": "openai", "model": "gpt-6", "server": "clock", "name": "now"}
    assert samples["aibridge_injected_tool_invocations_total", "completed"].items() >= tool.items()


def test_a_provider_that_fails_is_tried_again_and_then_left_alone(provider: FakeOpenAI, tmp_path: Path) -> None:
    breaker = {"failure_threshold": 2, "open": 60}
    one = {"base_url": provider.url, "api_keys": [CANARY], "retries": {"max": 1}, "circuit_breaker": breaker}
    before = len(provider.requests)
    provider.handler = error(503, "Busy", headers={"retry-after-ms": "1"})
    with serving(tmp_path, settings(provider, providers={"openai": one})) as gateway:
        assert ask(gateway).json()["error"]["message"] == "Busy"
        refused = ask(gateway)
        labels = 'endpoint="/chat/completions",model="gpt-6",provider="openai"'
        lines = gateway.get("/metrics").text.splitlines()
    assert len(provider.requests) == before + 2
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
    assert "openai has failed 2 times in 10 s for gpt-6" in refused.json()["error"]["message"]
    assert f"aibridge_circuit_breaker_state{{{labels}}} 2.0" in lines
    assert f"aibridge_circuit_breaker_trips_total{{{labels}}} 1.0" in lines
    assert f"aibridge_circuit_breaker_rejects_total{{{labels}}} 1.0" in lines


def test_a_key_at_its_limit_stands_back_for_the_next(provider: FakeOpenAI, tmp_path: Path) -> None:
    def handler(request: Request) -> Answer | Error:
        spent = request.headers["authorization"] == f"Bearer {CANARY}"
        return error(429, "Too many requests") if spent else answer("Here you are.")

    provider.handler = handler
    one = {"base_url": provider.url, "api_keys": [CANARY, "sk-second-0123456789"]}
    with serving(tmp_path, settings(provider, providers={"openai": one})) as gateway:
        assert ask(gateway).json()["choices"][0]["message"]["content"] == "Here you are."


async def test_thirty_streams_at_once_do_not_cross(gateway: Gateway, provider: FakeOpenAI) -> None:
    everybody = Gate()
    before = len(provider.requests)

    def handler(request: Request) -> Answer:
        name = request.messages[0]["content"]
        if request.tool_results:
            return answer(f"{name} looked.")
        return answer(f"{name} looks. ", wait(everybody), call("bmcp_clock_now", {"tz": "UTC"}, id=f"call_{name}"))

    provider.handler = handler
    names = [f"#{number:02}" for number in range(30)]

    async def hear(client: openai.AsyncOpenAI, name: str) -> tuple[str, str]:
        stream = await client.chat.completions.create(
            model="gpt-6", messages=[{"role": "user", "content": name}], stream=True
        )
        chunks = [chunk async for chunk in stream]
        return chunks[0].id, "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)

    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    base_url = f"{gateway.url}/openai/v1"
    async with openai.AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0, timeout=30, http_client=http) as one:
        asking = [asyncio.create_task(hear(one, name)) for name in names]
        await asyncio.to_thread(until, lambda: len(provider.requests) == before + 30)
        everybody.open()
        heard = await asyncio.gather(*asking)

    assert [text for _, text in heard] == [f"{name} looks. {name} looked." for name in names]
    for (id_, _), name in zip(heard, names, strict=True):
        assert gateway.interception(id_)["status"] == "completed"
        assert [row["provider_tool_call_id"] for row in gateway.rows("aibridge_tool_usages", id_)] == [f"call_{name}"]


def places_that_show(secret: str, gateway: Gateway, response: httpx2.Response) -> list[str]:
    """Where a secret can be read: nowhere, one hopes."""
    databases = [path for path in gateway.database.parent.iterdir() if path.name.startswith("aibridge.db")]
    shown = {
        "the answer": response.content,
        "the log": gateway.output.encode(),
        "/metrics": gateway.get("/metrics").content,
        "/readyz": gateway.get("/readyz").content,
        **{path.name: path.read_bytes() for path in databases if path.is_file()},
    }
    assert "aibridge.db" in shown
    return [place for place, content in shown.items() if secret.encode() in content]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "given",
    [
        error(401, f"Incorrect API key provided: {CANARY}"),
        error(400, f"Bad request with {CANARY}"),
        error(500, "Oops", headers={"x-debug": CANARY}),
        answer(disconnect()),
    ],
    ids=["401", "400", "500", "disconnect"],
)
def test_a_providers_key_is_seen_nowhere(gateway: Gateway, provider: FakeOpenAI, given: Answer, stream: bool) -> None:
    provider.handler = given
    response = ask(gateway, stream=stream)

    assert gateway.interception(response.headers["x-aibridge-interception-id"])["status"] == "failed"
    assert provider.requests[-1].headers["authorization"] == f"Bearer {CANARY}"
    assert CANARY not in str(response.headers)
    assert places_that_show(CANARY, gateway, response) == []


def test_a_providers_key_is_in_no_dump(provider: FakeOpenAI, tmp_path: Path) -> None:
    dumps = tmp_path / "dumps"
    one = {"base_url": provider.url, "api_keys": [CANARY], "dump_dir": str(dumps), "retries": {"max": 0}}
    with serving(tmp_path, settings(provider, providers={"openai": one})) as gateway:
        asked = [ask(gateway, stream=True)]
        for given in (answer("Well, ", error_event(f"The key {CANARY} was revoked")), error(400, f"Bad: {CANARY}")):
            provider.handler = given
            asked += [ask(gateway, stream=True), ask(gateway, user=f"Is {CANARY} a key?")]
        gateway.signal(signal.SIGTERM)
        assert gateway.status() == 0
    first = asked[0].headers["x-aibridge-interception-id"]
    written = {path.name: path.read_text() for path in dumps.rglob("*.http")}
    assert len(written) == 6
    assert {f"{first}-1.http", f"{first}-2.http"} < set(written)
    assert "bmcp_clock_now" in written[f"{first}-1.http"]
    assert written[f"{first}-2.http"].splitlines()[-1].startswith("--- complete")
    assert [name for name, text in written.items() if CANARY in text] == []


def test_a_providers_key_is_seen_nowhere_when_its_stream_tells_of_it(provider: FakeOpenAI, tmp_path: Path) -> None:
    provider.handler = answer("Well, ", error_event(f"The key {CANARY} was revoked"))
    with serving(tmp_path, settings(provider)) as gateway:
        response = ask(gateway, stream=True)
        gateway.interception(response.headers["x-aibridge-interception-id"])
        assert places_that_show(CANARY, gateway, response) == []


def test_at_sigterm_what_is_open_finishes_and_nothing_new_begins(provider: FakeOpenAI, tmp_path: Path) -> None:
    gate = Gate()
    provider.handler = answer("Let me ", wait(gate), "think.")
    with serving(tmp_path, settings(provider)) as gateway:
        with open_stream(gateway) as rest:
            gateway.signal(signal.SIGTERM)
            until(lambda: gateway.get("/readyz").status_code == 503)
            assert gateway.get("/readyz").json()["status"] == "stopping"
            assert gateway.get("/healthz").status_code == 200
            refused = ask(gateway)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["error"]["message"] == "aibridge is stopping: ask again"

            gate.open()
            heard = "".join(rest)
            assert "think." in heard
            assert heard.endswith("data: [DONE]\n\n")
        assert gateway.status() == 0
    assert [row["status"] for row in gateway.interceptions()] == ["completed"]


@pytest.mark.parametrize("impatient", [False, True])
def test_what_outlives_the_grace_is_told_and_recorded(provider: FakeOpenAI, tmp_path: Path, impatient: bool) -> None:
    provider.handler = answer("Let me ", wait(Gate()))
    server = {"shutdown_grace_seconds": 60 if impatient else 0.2}
    with serving(tmp_path, settings(provider, server=server)) as gateway:
        children = psutil.Process(gateway.pid).children(recursive=True)
        assert [child for child in children if "aibridge.testing.demo" in child.cmdline()]
        with open_stream(gateway) as rest:
            gateway.signal(signal.SIGTERM)
            if impatient:
                until(lambda: gateway.get("/readyz").status_code == 503)
                gateway.signal(signal.SIGTERM)
            heard = "".join(rest)
            assert '"error":{"message":"aibridge is stopping: ask again"' in heard
            assert heard.endswith("data: [DONE]\n\n")
        assert gateway.status() == 0
        assert not [child for child in children if child.is_running()]
        assert "Traceback" not in gateway.output
    (row,) = gateway.interceptions()
    assert (row["status"], row["error_message"]) == ("failed", "aibridge is stopping: ask again")


def test_a_client_that_leaves_is_recorded_as_such(gateway: Gateway, provider: FakeOpenAI) -> None:
    gate = Gate()
    provider.handler = answer("Let me ", wait(gate))
    before = len(gateway.interceptions(0))
    with open_stream(gateway):
        pass
    row = gateway.interceptions(before + 1, seconds=2)[-1]
    assert (row["status"], row["error_type"]) == ("cancelled", "cancelled")


def refused(home: Path, file: str, *options: str) -> str:
    """What the command says when it does not begin to serve."""
    (home / "aibridge.yaml").write_text(file)
    with Process([COMMAND, "serve", *options], env=environment(), cwd=home) as process:
        assert process.status() == 1
        (line,) = (line for line in process.lines if not line.startswith("{"))  # beside its log
        return line


def test_a_port_in_use_is_said_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert refused(tmp_path, "{}", "--port", str(port)) == (
            f"server.port: 127.0.0.1 port {port} is in use: stop what listens there, or choose another with --port"
        )


@pytest.mark.parametrize(
    ("file", "options", "words"),
    [
        ("auth: {mode: header}", (), "auth: mode header needs trusted_proxies"),
        ("{}", ("--host", "0.0.0.0"), "server.host: 0.0.0.0 can be reached from other machines"),
        ("server: {prot: 1}", (), "server.prot: unknown key; did you mean port?"),
        ("recorder: {url: 'sqlite:////nowhere/at/all.db'}", ("--port", "0"), "/nowhere/at"),
    ],
)
def test_settings_that_cannot_be_served_are_said_in_a_line(
    tmp_path: Path, file: str, options: tuple[str, ...], words: str
) -> None:
    assert words in refused(tmp_path, file, *options)


def test_without_a_file_the_defaults_hold_and_the_environment_has_the_last_word(tmp_path: Path) -> None:
    env = environment(AIBRIDGE_SERVER__PORT="0", AIBRIDGE_TELEMETRY__LOG_FORMAT="console")
    with Process([COMMAND, "serve"], env=env, cwd=tmp_path) as process:
        url = process.wait_for_line(r"aibridge listens on (http://127\.0\.0\.1:\d+)")[1]
        answer = httpx2.post(f"{url}{CHAT}", json=body(), trust_env=False)
        assert answer.status_code == 401
        assert "providers.openai.api_keys" in answer.json()["error"]["message"]
        process.signal(signal.SIGINT)
        assert process.status() == 0
    assert (tmp_path / "aibridge.db").is_file()


def test_its_pages_show_what_was_asked_and_what_is_injected(gateway: Gateway) -> None:
    asked = ask(gateway, question="Is it noon yet?").headers["x-aibridge-interception-id"]
    gateway.interception(asked, seconds=1)
    assert "Is it noon yet?" in gateway.get(f"/ui/interceptions/{asked}").text
    assert "1 injected" in gateway.get("/ui/tools").text.replace('<b class="num">1</b>', "1")
    assert "Records are kept" in gateway.get("/ui/health").text
    assert CANARY not in gateway.get("/ui/health").text
    assert gateway.get(f"/api/v1/interceptions/{asked}").json()["interception"]["initiator_id"] == "anonymous"


@pytest.mark.parametrize("path", ["/ui/", "/api/v1/interceptions", "/api/v1/export/usage"])
def test_its_pages_are_for_this_machine_alone(gateway: Gateway, path: str) -> None:
    for foreign in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
        assert httpx2.get(gateway.url + path, headers=foreign, trust_env=False).status_code == 403
