"""Who may ask where nobody has a key, and what they bring."""

from __future__ import annotations

import pytest

from aibridge.errors import Forbidden, Unauthorized
from aibridge.gateway.identity import Anonymous, mask, own_credential
from aibridge.model import Headers

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
