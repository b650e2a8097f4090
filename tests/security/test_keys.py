"""Threats to keys: what must happen when they are missing, wrong, revoked, or lying about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aibridge import app
from aibridge.config import Settings
from aibridge.gateway import keyring
from aibridge.store.engine import open_engine
from aibridge.store.keys import Keys, new_secret
from aibridge.testing import FakeOpenAI, answer
from tests.databases import Database

CANARY = "sk-canary-0123456789abcdef"
OWN = "sk-own-0123456789abcdef"
CHAT = {"model": "gpt-6", "messages": [{"role": "user", "content": "Hello?"}]}
ROUTES = [
    ("POST", "/openai/v1/chat/completions", "error"),
    ("POST", "/openai/v1/responses", "error"),
    ("POST", "/anthropic/v1/messages", "type"),
    ("GET", "/openai/v1/models", "error"),
    ("POST", "/anthropic/v1/messages/count_tokens", "type"),
]


@pytest.fixture
async def provider() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(lambda _: answer("Hi.")) as fake:
        yield fake


@pytest.fixture
async def keys(database: Database) -> AsyncIterator[Keys]:
    engine = open_engine(database.url)
    yield Keys(engine)
    await engine.dispose()


Open = Callable[..., Any]


@pytest.fixture
async def gateway(provider: FakeOpenAI, database: Database, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens a gateway on the database, and a client that goes to it."""
    async with AsyncExitStack() as stack:

        async def opened(auth: object = "keys", **openai: object) -> httpx2.AsyncClient:
            account = {"base_url": provider.url, "api_keys": [CANARY], **openai}
            other = {"base_url": provider.url, "api_keys": [CANARY]}
            settings = Settings.model_validate(
                {
                    "server": {"port": 0},
                    "auth": {"mode": auth} if isinstance(auth, str) else auth,
                    "providers": {"openai": account, "anthropic": other},
                    "recorder": {"url": database.url, "spool_dir": tmp_path / "spool"},
                }
            )
            house = await stack.enter_async_context(app.running(settings))
            return await stack.enter_async_context(httpx2.AsyncClient(base_url=house.url, timeout=10))

        yield opened


async def ask(client: httpx2.AsyncClient, secret: str, **headers: str) -> httpx2.Response:
    bearer = {"authorization": f"Bearer {secret}", **headers}
    return await client.post("/openai/v1/chat/completions", json=CHAT, headers=bearer)


GOOD = "the good key"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", f"Bearer {OWN}")],
        [("authorization", f"Basic {GOOD}")],
        [("x-api-key", "")],
        [("x-api-key", new_secret())],
        [("x-api-key", GOOD), ("x-api-key", GOOD)],
        [("x-api-key", GOOD), ("authorization", f"Bearer {OWN}")],
        [("x-aibridge-key", GOOD), ("x-api-key", new_secret())],
        [("x-aibridge-key", OWN)],
        [("x-aibridge-key", GOOD), ("x-aibridge-key", GOOD)],
    ],
    ids=str,
)
@pytest.mark.only_on("sqlite")
async def test_01_without_one_good_key_nothing_goes_upstream(
    gateway: Open, provider: FakeOpenAI, keys: Keys, database: Database, headers: list[tuple[str, str]]
) -> None:
    client = await gateway()
    secret = await keys.create("alice")
    sent = [(name, value.replace(GOOD, secret)) for name, value in headers]
    for method, path, member in ROUTES:
        response = await client.request(method, path, json=CHAT, headers=sent)
        assert response.status_code == 401
        assert member in response.json()
        assert secret not in response.text
    assert provider.requests == []
    assert database.query("SELECT id FROM aibridge_interceptions") == []


async def test_01_a_good_key_is_served_and_recorded_and_goes_no_further(
    gateway: Open, provider: FakeOpenAI, keys: Keys, database: Database
) -> None:
    client = await gateway()
    secret = await keys.create("alice", metadata={"team": "red"})
    for headers in ({"authorization": f"Bearer {secret}"}, {"x-api-key": secret}, {"x-aibridge-key": secret}):
        response = await client.post("/openai/v1/chat/completions", json=CHAT, headers=headers)
        assert response.status_code == 200
    rows = await database.recorded(3, "SELECT initiator_id, api_key_id, metadata FROM aibridge_interceptions")
    [key] = await keys.all()
    assert rows == [{"initiator_id": "alice", "api_key_id": key.id, "metadata": '{"team":"red"}'}] * 3
    for request in provider.requests:
        assert request.headers["authorization"] == f"Bearer {CANARY}"
        assert secret not in str(request.headers)


@pytest.mark.only_on("sqlite")
async def test_01_beside_the_gateways_key_the_callers_own_goes_upstream_as_it_came(
    gateway: Open, provider: FakeOpenAI, keys: Keys
) -> None:
    client = await gateway(byok="prefer")
    secret = await keys.create("alice")
    assert (await ask(client, OWN, **{"x-aibridge-key": secret})).status_code == 200
    [request] = provider.requests
    assert request.headers["authorization"] == f"Bearer {OWN}"
    assert secret not in str(request.headers)


@pytest.mark.only_on("sqlite")
async def test_01_a_proxys_word_counts_from_the_proxy_alone(gateway: Open, provider: FakeOpenAI) -> None:
    elsewhere = await gateway({"mode": "header", "trusted_proxies": ["10.0.0.0/8"]})
    refused = await elsewhere.post(
        "/openai/v1/chat/completions", json=CHAT, headers={"x-forwarded-user": "alice", "x-forwarded-for": "10.0.0.1"}
    )
    assert refused.status_code == 403
    assert provider.requests == []


@pytest.mark.only_on("sqlite")
async def test_01_a_proxys_header_goes_no_further(gateway: Open, provider: FakeOpenAI, database: Database) -> None:
    client = await gateway({"mode": "header", "header": "x-who", "trusted_proxies": ["127.0.0.1"]})
    response = await client.post("/openai/v1/chat/completions", json=CHAT, headers={"X-Who": "zoe"})
    assert response.status_code == 200
    rows = await database.recorded(1, "SELECT initiator_id FROM aibridge_interceptions")
    assert rows == [{"initiator_id": "zoe"}]
    assert "x-who" not in provider.requests[0].headers


@pytest.mark.only_on("sqlite")
async def test_01_only_we_tell_the_provider_who_asks_and_only_where_asked_to(
    gateway: Open, provider: FakeOpenAI, keys: Keys
) -> None:
    forged = {"x-ai-bridge-actor-id": "root", "x-ai-bridge-actor-metadata-team": "blue"}
    secret = await keys.create("zoë", metadata={"team": "red", "bad name": "x", "line": "a\r\nb"})
    silent, telling = await gateway(), await gateway(send_actor_headers=True)
    for client in (silent, telling):
        assert (await ask(client, secret, **forged)).status_code == 200
    told = [
        {name: value for name, value in request.headers.items() if name.startswith("x-ai-bridge")}
        for request in provider.requests
    ]
    assert told == [
        {},
        {"x-ai-bridge-actor-id": "zoë".encode().decode("latin-1"), "x-ai-bridge-actor-metadata-team": "red"},
    ]


async def test_02_a_revoked_key_is_refused_by_every_gateway_soon(
    gateway: Open, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As long as the test may take; that the real time is less than five seconds is tested with a clock.
    monkeypatch.setattr(keyring, "TRUST_SECONDS", 0.2)
    one, other = await gateway(), await gateway()
    secret, staying = await keys.create("alice"), await keys.create("bob")
    for client in (one, other):
        assert (await ask(client, secret)).status_code == 200
    revoked = next(key for key in await keys.all() if key.actor == "alice")
    await keys.revoke(revoked.id)
    async with asyncio.timeout(5):
        for client in (one, other):
            while (await ask(client, secret)).status_code != 401:
                pass
            assert (await ask(client, staying)).status_code == 200


async def test_02_a_key_that_was_never_used_here_is_refused_at_once(gateway: Open, keys: Keys) -> None:
    client = await gateway()
    secret = await keys.create("alice")
    [key] = await keys.all()
    await keys.revoke(key.id)
    assert (await ask(client, secret)).status_code == 401


@pytest.mark.only_on("sqlite")
async def test_37_an_interception_bears_its_owners_name_and_key(gateway: Open, keys: Keys, database: Database) -> None:
    client = await gateway()
    secrets = {name: await keys.create(name) for name in ("alice", "bob")}
    for name, secret in secrets.items():
        asked = await ask(client, secret, **{"x-forwarded-user": "mallory"})
        mine = "SELECT initiator_id FROM aibridge_interceptions WHERE id = ?"
        owner = await database.recorded(1, mine, asked.json()["id"])
        assert owner == [{"initiator_id": name}]


async def test_40_keys_are_found_by_digest_and_compared_in_constant_time(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    secret = await keys.create("alice")
    hashed = sha256(secret.encode()).digest()
    assert await keys.find(hashed) is not None
    monkeypatch.setattr("aibridge.store.keys.hmac.compare_digest", compare)
    assert await keys.find(hashed) is None  # so its word is the last one
    assert compared == [(hashed, hashed)]


@pytest.mark.only_on("sqlite")
async def test_40_no_key_is_in_the_database_the_log_or_an_answer(
    gateway: Open, keys: Keys, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    client = await gateway()
    secret = await keys.create("alice")
    answers = [await ask(client, secret), await ask(client, new_secret()), await client.get("/metrics")]
    files = b"".join(file.read_bytes() for file in tmp_path.glob("a.db*") if file.is_file())  # noqa: ASYNC240  tiny files
    seen = caplog.text + "".join(one.text + str(one.headers) for one in answers) + files.decode("latin-1")
    assert secret not in seen
    assert secret[4:] not in seen
