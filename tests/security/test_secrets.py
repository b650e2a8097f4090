"""Secrets: keys, tokens and passwords that the gateway holds, or that a caller brings, are shown to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from aibridge.testing import FakeOpenAI, Request, answer, call, error, error_event, reply, serving_in_thread
from aibridge.testing.behaviour import Behaviour
from aibridge.testing.mcp_server import FakeMCPServer
from aibridge.testing.mcp_server import error as tool_error
from tests.processes import Process
from tests.security.house import CHAT, KEY, ROUTES, body, house
from tests.served import COMMAND, Gateway, environment

# None of them looks like a key, so that only being known as one can hide it.
CANARIES = {
    "api_keys": "zq-provider-canary-0001",
    "another of api_keys": "zq-provider-canary-0002",
    "extra_headers": "zq-extra-header-canary-0003",
    "mcp headers": "zq-mcp-header-canary-0004",
    "mcp env": "zq-mcp-env-canary-0005",
    "proxy": "zq-proxy-password-canary-0006",
    "byok": "zq-byok-canary-0007",
}


def echo(request: Request) -> Any:
    """A provider that says all it was sent, in whatever way the question asks for."""
    told = " ".join(f"{name}={value}" for name, value in request.headers.items())
    way = str(request.messages[0]["content"])
    if request.tool_results:
        return answer("Done.")
    ways = {
        "refuse": error(400, f"I was sent {told}"),
        "forbid": error(403, f"I was sent {told}"),
        "fail": error(500, "Oops", headers={"x-debug": told.replace("\n", " ")}),
        "unreadable": reply(f"<html>{told}</html>", status=502),
        "in band": answer("Well, ", error_event(f"I was sent {told}")),
        "no answer": reply(f"I was sent {told}".encode()),
        "call": answer(call("bmcp_web_leak", {"text": "x"})),
        "answer": answer(f"I was sent {told}"),
    }
    return ways[way]


WAYS = ["refuse", "forbid", "fail", "unreadable", "in band", "no answer", "call"]


@dataclass
class Seen:
    """All that leaves the gateway in one run, by its place."""

    places: dict[str, bytes] = field(default_factory=dict)

    def add(self, place: str, content: bytes | str) -> None:
        self.places[place] = self.places.get(place, b"") + (content.encode() if isinstance(content, str) else content)

    def add_files(self, home: Path) -> None:
        """The whole database, and whatever else was written, but for the settings."""
        for path in home.rglob("*"):
            if path.is_file() and path.name != "mine.yaml":
                self.add(path.name, path.read_bytes())

    def shows(self, secret: str) -> list[str]:
        """Where it can be read: nowhere, one hopes."""
        return [place for place, content in self.places.items() if secret.encode() in content]


@contextmanager
def collector(seen: Seen) -> Iterator[str]:
    """What a collector of traces is sent."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            more = True
            while more:
                message = await receive()
                seen.add("traces", message.get("body", b""))
                more = message.get("more_body", False)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    with serving_in_thread(app) as url:
        yield url


@asynccontextmanager
async def leaky_server() -> AsyncIterator[FakeMCPServer]:
    """An MCP server whose tool fails with the token that it was sent."""
    async with FakeMCPServer() as server:
        server.tool("leak", lambda _: tool_error(f"401 for {server.calls[-1].headers['x-token']}"))
        yield server


def settings(provider: FakeOpenAI, server: FakeMCPServer, collector_url: str) -> dict[str, Any]:
    account = {
        "type": "openai",
        "base_url": provider.url,
        "extra_headers": {"x-gateway-token": CANARIES["extra_headers"]},
        "retries": {"max": 0},
        "circuit_breaker": None,
        "dump_dir": "dumps",
    }
    says_it = {"command": "sh", "args": ["-c", "echo cannot log in with $TOKEN >&2; exit 7"]}
    return {
        "providers": {
            "openai": {**account, "api_keys": [CANARIES["api_keys"], CANARIES["another of api_keys"]]},
            "own": account,
            "far": {**account, "proxy": f"http://me:{CANARIES['proxy']}@127.0.0.1:1"},
        },
        "mcp_servers": {
            "web": {"url": server.url, "headers": {"X-Token": CANARIES["mcp headers"]}},
            "sick": {**says_it, "env": {"TOKEN": CANARIES["mcp env"]}},
        },
        "telemetry": {"log_level": "debug", "otlp_endpoint": collector_url, "capture_content": True},
    }


async def ask_in_all_ways(gateway: Gateway, seen: Seen) -> None:
    own = {"authorization": f"Bearer {CANARIES['byok']}"}
    async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False, timeout=20) as client:
        for name, headers in (("openai", {}), ("own", own), ("far", own)):
            for way in WAYS:
                for path in (f"/{name}/v1/chat/completions", f"/{name}/v1/responses"):
                    for stream in (False, True):
                        await _ask(client, seen, path, headers, way, stream)
            seen.add("answers", (await client.get(f"/{name}/v1/models", headers=headers)).content)
        for page in ("/metrics", "/readyz", "/healthz", "/nowhere"):
            seen.add(page, (await client.get(page, headers=own)).content)


async def _ask(
    client: httpx2.AsyncClient, seen: Seen, path: str, headers: Mapping[str, str], way: str, stream: bool
) -> None:
    question = {"input": [{"role": "user", "content": way}]}
    asked = body(path, stream=stream)
    asked |= question if "input" in asked else {"messages": question["input"]}
    response = await client.post(path, json=asked, headers=headers)
    seen.add("answers", response.content)
    seen.add("answers' headers", str(response.headers.raw))


async def test_07_no_secret_is_found_in_any_log_trace_metric_record_page_dump_or_answer(tmp_path: Path) -> None:
    seen = Seen()
    with collector(seen) as traces, FakeOpenAI(echo, routes={"GET /models": echo_models}) as provider:
        async with leaky_server() as server:
            with Gateway(tmp_path, settings(provider, server, traces)) as gateway:
                await asyncio.to_thread(gateway.wait_until_ready)
                await ask_in_all_ways(gateway, seen)
                gateway.signal(15)
                assert await asyncio.to_thread(gateway.status) == 0
            seen.add("log", gateway.output)
            seen.add_files(tmp_path)
            reached = " ".join(str(request.headers) for request in provider.requests)
            assert server.calls[0].headers["x-token"] == CANARIES["mcp headers"]
    for name in ("api_keys", "extra_headers", "byok"):
        assert CANARIES[name] in reached, "it was not even used"
    assert {"traces", "log", "aibridge.db", "/metrics", "answers"} <= seen.places.keys()
    assert b"mcp_input" in seen.places["traces"]
    assert len([place for place in seen.places if place.endswith(".http")]) > 50, "dumps were written"
    assert {name: found for name, secret in CANARIES.items() if (found := seen.shows(secret))} == {}


def echo_models(request: Request) -> Any:
    return error(400, f"I was sent {request.headers.raw}")


@pytest.mark.parametrize(
    "url", ["postgresql://me:{}@127.0.0.1:1/aibridge", "postgresql://me:{}@nowhere.invalid/x?connect_timeout=1"]
)
def test_07_a_databases_password_is_not_told_when_it_cannot_be_reached(tmp_path: Path, url: str) -> None:
    secret = "zq-database-canary-0008"
    (tmp_path / "mine.yaml").write_text(f"recorder: {{url: '{url.format(secret)}'}}\ntelemetry: {{log_level: debug}}")
    command: list[str | Path] = [COMMAND, "serve", "--port", "0", "--config", tmp_path / "mine.yaml"]
    with Process(command, env=environment(), cwd=tmp_path) as process:
        assert process.status(30) == 1
        assert process.output
        assert secret not in process.output


@pytest.mark.parametrize(
    "given",
    [
        error(401, f"Incorrect API key provided: {KEY}."),
        error(429, f"{KEY} has no quota", headers={"x-why": KEY}),
        reply(f"<html>{KEY}</html>", status=500),
        answer("Well, ", error_event(f"{KEY} was revoked")),
        answer("I was told that my key is ", KEY[:9], KEY[9:]),
    ],
    ids=["401", "429", "html", "in band", "in words"],
)
async def test_08_a_key_that_a_provider_echoes_is_redacted(tmp_path: Path, given: Behaviour) -> None:
    async with house(tmp_path, given) as gateway:
        for path in ROUTES:
            for stream in (False, True):
                response = await gateway.ask(path, stream=stream)
                assert KEY not in response.text
                assert KEY not in str(response.headers)
        await gateway.ended(len(ROUTES) * 2)
        assert KEY not in str(gateway.rows("interceptions"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_09_redirects_of_a_provider_are_not_followed(tmp_path: Path, status: int) -> None:
    with FakeOpenAI(answer("I have your key.")) as elsewhere:
        given = reply(b"", status=status, headers={"location": f"{elsewhere.url}/chat/completions?secret=1"})
        async with house(tmp_path, given, routes={"GET /models": given}) as gateway:
            for path in ROUTES:
                response = await gateway.ask(path)
                assert response.status_code == 502
                assert "location" not in response.headers
                assert "secret=1" not in response.text
            assert (await gateway.client.get("/openai/v1/models")).status_code == 502
        assert elsewhere.requests == []


async def test_44_the_callers_own_credentials_never_reach_an_mcp_server(tmp_path: Path) -> None:
    own = {"authorization": "Bearer sk-of-the-caller-0123456789", "cookie": "session=of-the-caller", "x-mine": "caller"}

    def handler(request: Request) -> Any:
        return answer("Done.") if request.tool_results else answer(call("bmcp_web_look", {}))

    async with FakeMCPServer() as server:
        server.tool("look")
        async with house(tmp_path, handler, servers={"web": server}, provider={"byok": "prefer"}) as gateway:
            assert (await gateway.ask(CHAT, headers=own)).status_code == 200
            assert gateway.asked[0].headers["authorization"] == own["authorization"]
        (made,) = server.calls
    assert "caller" not in str(made.headers)
    assert not {"authorization", "cookie", "x-api-key", "x-mine"} & made.headers.keys()
