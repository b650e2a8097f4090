"""Requests and routing: who may ask, for what, and in what form."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, Literal

import pytest

from aibridge.testing import answer, error
from tests.security.house import CHAT, MESSAGES, ROUTES, body, house, logged, post, statuses, tool

OWN = "sk-of-the-caller-0123456789"


@pytest.mark.parametrize("path", ROUTES)
async def test_01_missing_empty_duplicate_or_conflicting_credentials_are_refused(tmp_path: Path, path: str) -> None:
    asked = json.dumps(body(path)).encode()
    wrong = {
        "none": [],
        "empty": [b"Authorization: Bearer "],
        "empty key": [b"x-api-key: "],
        "no scheme": [b"Authorization: " + OWN.encode()],
        "basic": [b"Authorization: Basic Zm9vOmJhcg=="],
        "duplicate": [b"Authorization: Bearer a-key", b"Authorization: Bearer a-key"],
        "conflicting": [b"Authorization: Bearer one-key", b"x-api-key: another-key"],
    }
    async with house(tmp_path, provider={"api_keys": []}) as gateway:
        answered = {name: statuses(await gateway.send(post(path, asked, *lines))) for name, lines in wrong.items()}
        assert answered == {name: [401] for name in wrong}
        assert gateway.asked == []
        assert gateway.rows("interceptions") == []
        assert (await gateway.ask(path, headers={"authorization": f"Bearer {OWN}"})).status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "/v1/../admin",
        "/openai/v1/../admin",
        "/openai/v1/models/../../admin",
        "/openai/v1/models/..",
        "/openai/v1/responses/resp_1/../../files",
        "/openai/v1/conversations/./x",
        "/openai/%2e%2e/admin",
        "/openai/v1/models/%2e%2e",
        "/openai/v1/models%2fx",
        "/openai/v1/responses/%2f",
        "/openai/v1/responses/%252e%252e",
        "/openai//v1/models",
        "//openai/v1/models",
        "/openai/v1/models;a=b",
        "/openai/v1/models/x;a",
        "/openai/v1/chat/completions/",
        "/openai/v1/chat/completions%00",
        "/OPENAI/v1/models",
        "/openai/v1/models/a\\b",
        "http://127.0.0.1:1/openai/v1/files",
        "http://evil.example/admin",
        "https://api.example/v1/../admin",
        "evil.example:443",
        "*",
    ],
)
async def test_03_paths_in_disguise_reach_no_upstream(tmp_path: Path, target: str) -> None:
    async with house(tmp_path) as gateway:
        for request in (post(target), post(target).replace(b"POST", b"GET", 1)):
            assert statuses(await gateway.send(request)) in ([400], [404])
        assert gateway.asked == []


async def test_05_hop_by_hop_and_forwarded_headers_are_stripped_both_ways(tmp_path: Path) -> None:
    backwards = {
        "connection": "x-hop",
        "x-hop": "1",
        "keep-alive": "timeout=5",
        "set-cookie": "session=1",
        "upgrade": "h2c",
        "trailer": "x-late",
        "proxy-connection": "close",
        "x-request-id": "req-1",
    }
    sent = [
        b"Connection: close, x-mine",
        b"X-Mine: 1",
        b"Keep-Alive: timeout=5",
        b"TE: trailers",
        b"Trailer: x-late",
        b"Upgrade: h2c",
        b"Proxy-Authorization: Basic Zm9v",
        b"Proxy-Connection: close",
        b"Forwarded: for=10.0.0.1",
        b"X-Forwarded-For: 10.0.0.1",
        b"X-Forwarded-Host: internal",
        b"X-Aibridge-Anything: 1",
        b"Cookie: session=1",
        b"Accept-Encoding: gzip",
        b"X-Api-Key: not-to-be-seen",
        b"X-Harmless: yes",
    ]
    handler = answer("Fine.", headers=backwards)
    async with house(tmp_path, handler) as gateway:
        answered = await gateway.send(post(CHAT, json.dumps(body()).encode(), *sent))
        (request,) = gateway.asked
    gone = {line.split(b":")[0].decode().lower() for line in sent} - {"x-harmless", "connection", "accept-encoding"}
    assert gone & set(request.headers) == set()
    assert request.headers["x-harmless"] == "yes"
    assert request.headers["accept-encoding"] == "identity"
    assert "not-to-be-seen" not in str(request.headers)
    head = answered.partition(b"\r\n\r\n")[0].lower()
    assert b"x-request-id: req-1" in head
    for name in ("x-hop", "keep-alive", "set-cookie", "upgrade", "trailer", "proxy-connection"):
        assert f"\r\n{name}:".encode() not in head


@pytest.mark.parametrize("path", ROUTES)
async def test_06_control_characters_are_refused_in_a_model_and_in_tool_names(tmp_path: Path, path: str) -> None:
    async with house(tmp_path) as gateway:
        for bad in ("\r", "\n", "\r\nx-forged: 1", "\t", "\x00", "\x1b[31m", "\x7f", "\x9b31m"):
            model = await gateway.ask(path, model=f"gpt{bad}6")
            name = await gateway.ask(path, tools=[tool(path, f"read{bad}file")])
            assert [model.status_code, name.status_code] == [400, 400]
            assert "control character" in model.json()["error"]["message"]
        assert gateway.asked == []
        assert gateway.rows("interceptions") == []


@pytest.mark.parametrize("bad", [b"\n", b"\x00", b"\x1b[31m", b"\x7f", b"\rx-forged: 1"])
async def test_06_control_characters_are_refused_in_headers(tmp_path: Path, bad: bytes) -> None:
    async with house(tmp_path) as gateway:
        for header in (b"User-Agent: a" + bad + b"b", b"X-Session" + bad + b"Id: 1"):
            assert statuses(await gateway.send(post(CHAT, json.dumps(body()).encode(), header))) == [400]
        assert gateway.asked == []


@pytest.mark.parametrize("form", ["json", "console"])
async def test_06_a_log_entry_stays_one_line(tmp_path: Path, form: Literal["json", "console"]) -> None:
    forged = "no such model\r\n2026-01-01 CRITICAL all is lost\x1b[2J\x00"
    with logged(form) as log:
        async with house(tmp_path, error(400, forged)) as gateway:
            await gateway.ask(headers={"user-agent": "curl"})
            await gateway.ended()
    (told,) = [line for line in log.getvalue().split("\n") if "all is lost" in line]
    assert "no such model" in told
    assert told.replace("\x1b", "").isprintable() if form == "console" else told.isprintable()
    assert "\x1b[2J" not in told


@pytest.mark.parametrize("depth", [2_000, 100_000])
@pytest.mark.parametrize("bracket", ["[]", "{}"])
async def test_19_json_nested_deeply_is_refused_and_the_process_lives(tmp_path: Path, bracket: str, depth: int) -> None:
    opens, closes = ('{"a":', "}") if bracket == "{}" else ("[", "]")
    nested = f"{opens * depth}1{closes * depth}"
    async with house(tmp_path) as gateway:
        for path in ROUTES:
            bodies = [nested, json.dumps(body(path, deep="HERE")).replace('"HERE"', nested)]
            for one in bodies:
                assert statuses(await gateway.send(post(path, one.encode()))) == [400]
        assert gateway.asked == []
        assert (await gateway.ask()).status_code == 200


async def test_20_what_is_recorded_of_repeated_keys_is_what_the_provider_acts_on(tmp_path: Path) -> None:
    twice = b'{"model":"cheap","model":"dear","messages":[{"role":"user","content":"a","content":"b"}]}'
    async with house(tmp_path) as gateway:
        await gateway.send(post(CHAT, twice))
        (row,) = await gateway.ended()
        (request,) = gateway.asked
        (prompt,) = gateway.rows("user_prompts")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(pairs) == len(dict(pairs)), "a key is repeated"
        return dict(pairs)

    told = json.loads(request.body, object_pairs_hook=once)
    assert told["model"] == row["model"]
    assert told["messages"][0]["content"] == prompt["prompt"]


@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "-Infinity", "01", "1e", "+1", '"\\ud83d"', '"\\ude00\\ud83d"', "1e400", "1" * 5000, "-0.0"],
)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_21_odd_numbers_and_surrogates_are_refused_or_passed_exactly(
    tmp_path: Path, path: str, value: str
) -> None:
    asked = json.dumps(body(path, odd="HERE"), separators=(",", ":")).replace('"HERE"', value).encode()
    async with house(tmp_path) as gateway:
        (status,) = statuses(await gateway.send(post(path, asked)))
        assert status in (200, 400)
        assert [request.body for request in gateway.asked] == ([asked] if status == 200 else [])


async def test_22_a_compressed_request_is_refused(tmp_path: Path) -> None:
    bomb = gzip.compress(b" " * 100_000_000)
    async with house(tmp_path) as gateway:
        answered = await gateway.send(post(CHAT, bomb, b"Content-Encoding: gzip"))
        assert statuses(answered) == [415]
        assert gateway.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1/healthz?x=", "localhost/?x=", "a/?x=", "127.0.0.1#", "[::1]/healthz?"])
async def test_46_a_host_header_cannot_change_the_path(tmp_path: Path, host: str) -> None:
    def asked(path: str) -> bytes:
        return post(path, json.dumps(body()).encode()).replace(b"Host: 127.0.0.1", b"Host: " + host.encode())

    async with house(tmp_path) as gateway:
        (elsewhere,) = statuses(await gateway.send(asked("/openai/v1/nowhere")))
        assert elsewhere in (400, 403, 404)
        assert gateway.asked == []
        (status,) = statuses(await gateway.send(asked(CHAT)))
        assert status in (200, 400, 403)
        for request in gateway.asked:
            assert request.path == "/v1/chat/completions"
        recorded = await gateway.ended() if gateway.asked else gateway.rows("interceptions")
        assert [row["route"] for row in recorded] == [CHAT] * len(gateway.asked)


@pytest.mark.parametrize(
    "header", [b"Host: evil.example", b"Host: 127.0.0.1.evil.example", b"Origin: http://evil.example"]
)
async def test_46_a_web_page_that_points_its_own_name_here_is_refused(tmp_path: Path, header: bytes) -> None:
    request = post(CHAT, json.dumps(body()).encode())
    name = header.partition(b":")[0]
    request = (
        request.replace(b"Host: 127.0.0.1", header)
        if name == b"Host"
        else request.replace(b"Host", header + b"\r\nHost", 1)
    )
    async with house(tmp_path) as gateway:
        assert statuses(await gateway.send(request)) == [403]
        assert gateway.asked == []
