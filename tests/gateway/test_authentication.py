"""From the settings to whoever tells who asks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aibridge.config import Auth
from aibridge.errors import Unauthorized
from aibridge.gateway.authentication import open_identify, withheld
from aibridge.gateway.identity import Anonymous, ByHeader
from aibridge.store.engine import open_engine
from aibridge.store.keys import Keys
from tests.databases import Database

HEADER = Auth(mode="header", header="X-Who", role_header="X-Role", trusted_proxies=("10.0.0.1",))


async def test_without_a_mode_everyone_is_anonymous_and_no_database_is_opened(tmp_path: Path) -> None:
    async with open_identify(Auth(), "sqlite:////no/such/a.db") as identify:
        assert isinstance(identify, Anonymous)
    async with open_identify(HEADER, "sqlite:////no/such/a.db") as identify:
        assert isinstance(identify, ByHeader)
        assert (await identify(((b"x-who", b"zoe"), (b"x-role", b"admin")), "10.0.0.1")).actor.role == "admin"


async def test_keys_are_those_of_the_database_and_their_use_is_noted_at_the_end(database: Database) -> None:
    engine = open_engine(database.url)
    keys = Keys(engine)
    secret = (await keys.create("alice")).encode()
    async with open_identify(Auth(mode="keys"), database.url) as identify:
        assert (await identify(((b"x-api-key", secret),))).actor.name == "alice"
        with pytest.raises(Unauthorized):
            await identify(())
        assert (await keys.all())[0].last_used_at is None
    assert (await keys.all())[0].last_used_at is not None
    await engine.dispose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_what_a_proxy_says_goes_no_further() -> None:
    assert withheld(HEADER) == {b"x-who", b"x-role"}
    assert withheld(Auth(mode="keys")) == frozenset()
