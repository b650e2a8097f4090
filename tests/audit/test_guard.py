"""The pages and the API as the gateway serves them: who may see them is settled where it is for requests."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aibridge.app import running
from aibridge.config import Settings
from aibridge.store.engine import open_engine
from aibridge.store.keys import Keys
from tests.audit.parts import add
from tests.databases import Database

OWN = ("/ui/", "/ui/log", "/ui/interceptions/i", "/ui/keys", "/ui/sign-in", "/api/v1/interceptions",
       "/api/v1/openapi.json", "/api/v1/export/usage")  # fmt: skip


@asynccontextmanager
async def gateway(database: Database, tmp_path: Path, **auth: Any) -> AsyncIterator[httpx2.AsyncClient]:
    url = database.url
    settings = Settings.model_validate(
        {
            "server": {"port": 0},
            "auth": auth,
            "recorder": {"url": url, "spool_dir": str(tmp_path / "spool")},
            "providers": {"openai": {"type": "openai", "api_keys": ["sk-x"]}},
        }
    )
    async with running(settings) as house, httpx2.AsyncClient(base_url=house.url) as client:
        engine = open_engine(url)
        for actor in ("ada", "grace"):
            await add(engine, f"of {actor}", initiator_id=actor, started_at=datetime.now(UTC))
        await engine.dispose()
        yield client


@asynccontextmanager
async def keys(database: Database) -> AsyncIterator[Keys]:
    engine = open_engine(database.url)
    yield Keys(engine)
    await engine.dispose()


async def seen(client: httpx2.AsyncClient, **headers: str) -> set[str]:
    """Whose interceptions the API shows."""
    response = await client.get("/api/v1/interceptions", headers=headers)
    assert response.status_code == 200, response.text
    return {row["initiator_id"] for row in response.json()["data"]}


@pytest.mark.parametrize(
    "foreign",
    [{"host": "evil.example"}, {"origin": "https://evil.example"}, {"host": "evil.example:80", "origin": "null"}],
)
async def test_without_keys_no_other_site_reads_anything(
    database: Database, tmp_path: Path, foreign: dict[str, str]
) -> None:
    async with gateway(database, tmp_path, mode="none") as client:
        assert (await client.get("/ui/")).status_code == 200
        assert await seen(client) == {"ada", "grace"}
        for path in OWN:
            response = await client.get(path, headers=foreign)
            assert response.status_code == 403, path
            assert "grace" not in response.text


async def test_whoever_has_a_key_sees_what_their_role_may(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, mode="keys") as client, keys(database) as store:
        ada, vera = await store.create("ada"), await store.create("vera", "auditor")
        for path in OWN:
            assert (await client.get(path)).status_code == (200 if path == "/ui/sign-in" else 401), path
        assert await seen(client, authorization=f"Bearer {ada}") == {"ada"}
        assert await seen(client, authorization=f"Bearer {vera}") == {"ada", "grace"}


async def test_a_browser_is_signed_in_until_its_key_is_revoked(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, mode="keys") as client, keys(database) as store:
        ada = await store.create("ada")
        (token,) = re.findall(r'name="csrf" value="([^"]+)"', (await client.get("/ui/log")).text)
        signed_in = await client.post("/ui/sign-in", data={"csrf": token, "key": ada, "next": "/ui/log"})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/ui/log")
        page = (await client.get("/ui/log")).text
        assert "of%20ada" in page or "of ada" in page
        assert "of grace" not in page
        await store.revoke_named(ada[-4:])
        assert (await client.get("/ui/log")).status_code == 401


async def test_a_proxy_says_who_looks_and_in_which_role(database: Database, tmp_path: Path) -> None:
    auth = {"mode": "header", "role_header": "x-role", "trusted_proxies": ["127.0.0.1"]}
    async with gateway(database, tmp_path, **auth) as client:
        assert (await client.get("/api/v1/interceptions")).status_code == 401
        assert await seen(client, **{"x-forwarded-user": "ada"}) == {"ada"}
        assert await seen(client, **{"x-forwarded-user": "vera", "x-role": "auditor"}) == {"ada", "grace"}
        page = await client.get("/ui/", headers={"x-forwarded-user": "ada"})
        assert (page.status_code, "Sign out" in page.text) == (200, False)


async def test_only_the_proxy_is_believed(database: Database, tmp_path: Path) -> None:
    async with gateway(database, tmp_path, mode="header", trusted_proxies=["10.0.0.1"]) as client:
        response = await client.get("/ui/", headers={"x-forwarded-user": "ada"})
        assert response.status_code == 403
        assert "of ada" not in response.text
