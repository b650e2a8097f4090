"""Who may ask where nobody has a key, and what they bring."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from aibridge.errors import Forbidden, Unauthorized
from aibridge.gateway.identity import Anonymous, ByHeader, ByKey, mask, own_credential
from aibridge.gateway.keyring import Keyring
from aibridge.model import Headers
from aibridge.store.keys import Key, digest, new_secret

HERE = (b"host", b"127.0.0.1:8080")


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1", "127.8.9.1:1", "[::1]:8080"])
async def test_this_machine_is_anonymous(host: str) -> None:
    identity = await Anonymous()(((b"host", host.encode()),))
    assert (identity.actor.name, identity.own) == ("anonymous", None)


@pytest.mark.parametrize(
    "headers",
    [
        ((b"host", b"evil.example"),),
        ((b"host", b"localhost.evil.example"),),
        ((b"host", b"10.0.0.1:8080"),),
        ((b"host", b"[::1"),),
        ((b"host", b"127.0.0.1@evil.example"),),
        ((b"host", b"127.0.0.1/?x="),),
        ((b"host", b"localhost#evil.example"),),
        (),
        (HERE, (b"origin", b"https://evil.example")),
        (HERE, (b"origin", b"null")),
        (HERE, (b"origin", b"http://[")),
    ],
)
async def test_a_foreign_host_or_origin_is_refused(headers: Headers) -> None:
    with pytest.raises(Forbidden) as refused:
        await Anonymous()(headers)
    assert refused.value.status == 403


async def test_a_page_of_this_machine_may_ask() -> None:
    await Anonymous()((HERE, (b"origin", b"http://localhost:3000")))


@pytest.mark.parametrize(
    "header", [(b"authorization", b"Bearer sk-0123456789abcdef"), (b"x-api-key", b"sk-0123456789abcdef")]
)
def test_the_callers_key_is_kept_in_the_header_it_came_in(header: tuple[bytes, bytes]) -> None:
    own = own_credential((header,))
    assert own is not None
    assert (own.kind, own.header, own.hint) == ("byok", header, "sk-…cdef")
    assert "0123456789" not in repr(own)


def test_the_same_key_in_both_headers_is_one_key() -> None:
    assert own_credential(((b"authorization", b"bearer k"), (b"x-api-key", b"k"))) is not None


def test_a_key_of_the_gateway_is_no_providers_key() -> None:
    assert own_credential(((b"authorization", b"Bearer aib_abc"),)) is None


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (((b"authorization", b""),), "must be 'Bearer'"),
        (((b"authorization", b"Bearer "),), "must be 'Bearer'|holds no key"),
        (((b"authorization", b"Basic abc"),), "must be 'Bearer'"),
        (((b"x-api-key", b" "),), "'x-api-key' holds no key"),
        (((b"x-api-key", b"a"), (b"x-api-key", b"a")), "twice"),
        (((b"x-api-key", b"a"), (b"authorization", b"Bearer b")), "different keys"),
    ],
)
def test_empty_duplicate_and_conflicting_credentials_are_refused(headers: Headers, words: str) -> None:
    with pytest.raises(Unauthorized, match=words) as refused:
        own_credential(headers)
    assert refused.value.status == 401


def test_a_mask_shows_too_little_to_use() -> None:
    assert mask("sk-proj-0123456789abcdef") == "sk-…cdef"
    assert mask("short") == "…"


# Keys of the gateway.

SECRET = new_secret()


@dataclass
class OneKey:
    """A store that has one key."""

    asked: int = 0

    async def find(self, hashed: bytes) -> Key | None:
        self.asked += 1
        known = hashed == digest(SECRET.encode())
        return Key("i", "alice", "user", hashed, "", {}, datetime.now(UTC), None, None) if known else None

    async def used(self, key_ids: Iterable[str], when: datetime) -> None: ...


@pytest.fixture
def store() -> OneKey:
    return OneKey()


@pytest.fixture
def by_key(store: OneKey) -> ByKey:
    return ByKey(Keyring(store, monotonic=lambda: 0.0, now=lambda: datetime.now(UTC)))


KEY = SECRET.encode()
OTHER = new_secret().encode()
OWN = b"sk-0123456789abcdef"


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        (((b"authorization", b"Bearer " + KEY),), None),
        (((b"authorization", b"bearer  " + KEY),), None),
        (((b"x-api-key", KEY),), None),
        (((b"x-aibridge-key", KEY),), None),
        (((b"x-api-key", KEY), (b"authorization", b"Bearer " + KEY)), None),
        (((b"x-aibridge-key", KEY), (b"x-api-key", KEY)), None),
        (((b"x-aibridge-key", KEY), (b"authorization", b"Bearer " + OWN)), (b"authorization", b"Bearer " + OWN)),
        (((b"x-api-key", OWN), (b"x-aibridge-key", KEY)), (b"x-api-key", OWN)),
    ],
)
async def test_a_key_may_stand_in_three_places(by_key: ByKey, headers: Headers, own: object) -> None:
    identity = await by_key((HERE, *headers, (b"accept", b"*/*")))
    assert identity.actor.name == "alice"
    assert (identity.own and identity.own.header) == own


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ((), "A key of this gateway is needed"),
        (((b"authorization", b"Bearer " + OWN),), "A key of this gateway is needed"),
        (((b"authorization", b""),), "must be 'Bearer'"),
        (((b"authorization", b"Bearer"),), "must be 'Bearer'|holds no key"),
        (((b"authorization", b"Basic " + KEY),), "must be 'Bearer'"),
        (((b"x-api-key", b""),), "holds no key"),
        (((b"x-aibridge-key", b""),), "must hold one key"),
        (((b"x-aibridge-key", OWN),), "must hold one key"),
        (((b"x-api-key", OTHER),), "unknown or revoked"),
        (((b"x-api-key", KEY[:-1]),), "unknown or revoked"),
        (((b"x-api-key", b"aib_"),), "unknown or revoked"),
        (((b"x-api-key", KEY), (b"x-api-key", KEY)), "twice"),
        (((b"authorization", b"Bearer " + KEY), (b"authorization", b"Bearer " + KEY)), "twice"),
        (((b"x-aibridge-key", KEY), (b"x-aibridge-key", KEY)), "be there once"),
        (((b"x-api-key", KEY), (b"authorization", b"Bearer " + OTHER)), "different keys"),
        (((b"x-api-key", OWN), (b"authorization", b"Bearer " + KEY)), "different keys"),
        (((b"x-aibridge-key", KEY), (b"x-api-key", OTHER)), "different keys of this gateway"),
        (((b"x-aibridge-key", KEY), (b"x-api-key", OWN), (b"authorization", b"Bearer x")), "different keys"),
    ],
)
async def test_without_exactly_one_good_key_nobody_is_served(by_key: ByKey, headers: Headers, words: str) -> None:
    with pytest.raises(Unauthorized, match=words) as refused:
        await by_key((HERE, *headers))
    assert refused.value.status == 401
    assert KEY.decode() not in refused.value.message


async def test_what_is_no_key_by_its_checksum_costs_no_look_up(by_key: ByKey, store: OneKey) -> None:
    for wrong in (KEY[:-1] + b"?", b"aib_" + b"0" * 49, b"aib_x"):
        with pytest.raises(Unauthorized):
            await by_key(((b"x-api-key", wrong),))
    assert store.asked == 0


# A proxy's word.

PROXY = "10.1.2.3"
ALICE = (b"x-forwarded-user", b"alice")


@pytest.fixture
def by_header() -> ByHeader:
    return ByHeader("X-Forwarded-User", "X-Role", ["10.1.0.0/16", "fd00::1"])


@pytest.mark.parametrize("peer", [PROXY, "::ffff:10.1.2.3", "fd00::1"])
async def test_a_trusted_proxy_says_who_asks(by_header: ByHeader, peer: str) -> None:
    identity = await by_header((ALICE, (b"x-api-key", OWN)), peer)
    assert (identity.actor.name, identity.actor.role) == ("alice", "user")
    assert identity.own is not None


async def test_a_name_may_hold_any_letter(by_header: ByHeader) -> None:
    assert (await by_header(((b"x-forwarded-user", " zoë ".encode()),), PROXY)).actor.name == "zoë"


@pytest.mark.parametrize("peer", [None, "", "testclient", "10.2.0.1", "127.0.0.1", "fd00::2", "::ffff:10.2.0.1"])
async def test_nobody_else_may_say_so(by_header: ByHeader, peer: str | None) -> None:
    with pytest.raises(Forbidden, match=r"auth\.trusted_proxies"):
        await by_header((ALICE,), peer)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ((), "has named no user in 'x-forwarded-user'"),
        (((b"x-forwarded-user", b" "),), "has named no user"),
        ((ALICE, (b"x-forwarded-user", b"bob")), "twice: the proxy must replace it"),
        ((ALICE, (b"x-role", b"user"), (b"x-role", b"admin")), "twice"),
    ],
)
async def test_a_proxy_must_name_one_user(by_header: ByHeader, headers: Headers, words: str) -> None:
    with pytest.raises(Unauthorized, match=words):
        await by_header(headers, PROXY)


async def test_a_proxy_may_name_the_role_and_only_one_that_there_is(by_header: ByHeader) -> None:
    assert (await by_header((ALICE, (b"x-role", b"auditor")), PROXY)).actor.role == "auditor"
    with pytest.raises(Forbidden, match="no role 'root'"):
        await by_header((ALICE, (b"x-role", b"root")), PROXY)
    silent = ByHeader("x-forwarded-user", None, ["10.1.0.0/16"])
    assert (await silent((ALICE, (b"x-role", b"admin")), PROXY)).actor.role == "user"


async def test_a_page_of_another_site_cannot_use_the_proxys_cookie(by_header: ByHeader) -> None:
    foreign = ((b"sec-fetch-site", b"cross-site"), (b"origin", b"https://evil.example"))
    with pytest.raises(Forbidden, match="another site"):
        await by_header((ALICE, *foreign), PROXY)
    await by_header((ALICE, foreign[0]), PROXY)  # a link that was followed
    await by_header((ALICE, (b"sec-fetch-site", b"same-origin"), (b"origin", b"https://ours.example")), PROXY)
