"""Keys are hard to guess, kept as digests, and gone when they are revoked."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from aibridge.store.engine import open_engine
from aibridge.store.keys import Keys, digest, is_well_formed, new_secret
from tests.databases import Database

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
async def keys(database: Database) -> AsyncIterator[Keys]:
    engine = open_engine(database.url)
    yield Keys(engine, now=lambda: NOON)
    await engine.dispose()


def test_a_key_has_256_bits_and_a_checksum() -> None:
    secret = new_secret()
    assert re.fullmatch(r"aib_[0-9A-Za-z]{49}", secret)  # 62 ** 43 > 2 ** 256, and six digits of checksum
    assert len({new_secret() for _ in range(100)}) == 100


def test_whatever_is_mistyped_or_cut_is_no_key() -> None:
    secret = new_secret().encode()
    assert is_well_formed(secret)
    for place in range(len(secret)):
        other = b"x" if secret[place : place + 1] != b"x" else b"y"
        assert not is_well_formed(secret[:place] + other + secret[place + 1 :])
    for wrong in (b"", b"aib_", secret[:-1], secret + b"0", secret.upper(), b"\xff" * len(secret)):
        assert not is_well_formed(wrong)


async def test_a_key_is_found_by_its_digest(keys: Keys) -> None:
    secret = await keys.create("alice", "auditor", {"team": "red"})
    key = await keys.find(digest(secret.encode()))
    assert key is not None
    assert (key.actor, key.role, key.metadata, key.created_at) == ("alice", "auditor", {"team": "red"}, NOON)
    assert await keys.find(digest(new_secret().encode())) is None


async def test_the_key_itself_is_nowhere_in_the_database(keys: Keys, database: Database) -> None:
    secret = await keys.create("alice")
    [row] = database.query("SELECT * FROM aibridge_keys")
    assert (row["hash"], row["hint"]) == (digest(secret.encode()).hex(), f"aib_…{secret[-4:]}")
    assert secret[4:-6] not in str(row)


async def test_a_revoked_key_is_found_no_more_but_still_listed(keys: Keys) -> None:
    secrets = [await keys.create(name) for name in ("alice", "bob")]
    ids = {key.actor: key.id for key in await keys.all()}
    await keys.revoke(ids["alice"])
    assert await keys.find(digest(secrets[0].encode())) is None
    assert await keys.find(digest(secrets[1].encode())) is not None
    assert {key.actor: key.revoked_at for key in await keys.all()} == {"alice": NOON, "bob": None}


async def test_the_time_of_a_revocation_is_the_first(keys: Keys, database: Database) -> None:
    await keys.create("alice")
    [key] = await keys.all()
    await keys.revoke(key.id)
    keys._now = lambda: NOON + timedelta(days=1)
    await keys.revoke(key.id)
    assert database.query("SELECT revoked_at FROM aibridge_keys") == [{"revoked_at": "2026-11-20 12:00:00.000000"}]


async def test_a_key_is_named_by_its_id_its_hint_or_the_hints_end(keys: Keys) -> None:
    secret = await keys.create("alice")
    [key] = await keys.all()
    for name in (key.id, key.hint, secret[-4:]):
        assert await keys.named(name) == [key]
    for name in ("", "alice", secret, secret[-3:], "%"):
        assert await keys.named(name) == []
    await keys.revoke(key.id)
    assert await keys.named(key.id) == []


async def test_a_use_is_noted_and_never_taken_back(keys: Keys) -> None:
    for name in ("alice", "bob", "carol"):
        await keys.create(name)
    ids = {key.actor: key.id for key in await keys.all()}
    await keys.used([ids["alice"], ids["bob"]], NOON)
    await keys.used([ids["alice"]], NOON - timedelta(seconds=1))  # by a gateway whose clock is behind
    assert {key.actor: key.last_used_at for key in await keys.all()} == {"alice": NOON, "bob": NOON, "carol": None}
