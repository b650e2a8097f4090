"""Which words are secrets, and what stands for them."""

import itertools
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge.errors import UpstreamError
from aibridge.model import Credential
from aibridge.upstream.redaction import Cleaner, Secrets, redact, replacements, secret_values
from aibridge.upstream.response import cleaned


def test_the_credential_is_shown_as_its_hint_and_other_keys_not_at_all() -> None:
    credential = Credential("byok", (b"authorization", b"Bearer sk-own-key"), "sk-…")
    secrets = replacements(credential, ["sk-other"])
    assert redact(b"sk-own-key, sk-other; SK-OTHER", secrets) == "sk-…, ***; SK-OTHER".encode()


def test_the_scheme_may_be_written_in_any_case() -> None:
    credential = Credential("byok", (b"authorization", b"bEARER sk-own-key"), "hint")
    assert redact(b"bEARER sk-own-key", replacements(credential, ())) == b"bEARER hint"


def test_a_key_that_another_begins_with() -> None:
    assert redact(b"sk-abcdef sk-abc", replacements(None, ["sk-abc", "sk-abcdef"])) == b"*** ***"


def test_words_too_short_to_be_secrets_stay() -> None:
    assert redact(b"a key", replacements(None, ["", "a", "key"])) == b"a key"


KEY, OTHER = "sk-ab-sk-ab0123456789", "sk-other-0123456789abc"
SECRETS = Secrets(Credential("centralized", (b"x-api-key", KEY.encode()), "hint"), [KEY, OTHER])


async def body(pieces: Iterable[bytes], end: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if end is not None:
        raise end


async def read(pieces: Iterable[bytes], end: Exception | None = None) -> list[bytes]:
    return [piece async for piece in cleaned(b"", body(pieces, end), Cleaner(SECRETS))]


def cut(text: bytes, places: Iterable[int]) -> list[bytes]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in itertools.pairwise(edges)]


@given(
    st.lists(st.sampled_from([KEY, OTHER, "sk-", "s", "sk-ab", "\n", KEY[:-1], OTHER[1:], "é"])).map("".join),
    st.lists(st.integers(0, 1000)),
)
async def test_however_a_body_is_cut_no_secret_comes_through(text: str, places: list[int]) -> None:
    pieces = await read(cut(text.encode(), places))
    assert all(pieces)
    got = b"".join(pieces)
    assert KEY.encode() not in got
    assert OTHER.encode() not in got


@given(st.binary(), st.lists(st.integers(0, 1000)))
async def test_a_body_without_secrets_passes_byte_for_byte(text: bytes, places: list[int]) -> None:
    assert b"".join(await read(cut(text, places))) == text


async def test_an_event_is_never_held_back() -> None:
    pieces = [b"data: sk-ab\n\n", f"data: {KEY}\n\n".encode(), b"data: {}"]
    assert await read(pieces) == [b"data: sk-ab\n\n", b"data: hint\n\n", b"data: {}"]


async def test_what_came_before_a_cut_is_not_lost() -> None:
    pieces = cleaned(b"data: {}", body([b"data: sk-"], UpstreamError("cut")), Cleaner(SECRETS))
    assert [await anext(pieces) for _ in range(3)] == [b"data: {}", b"data: ", b"sk-"]
    with pytest.raises(UpstreamError):
        await anext(pieces)


def test_answers_keep_words_that_are_hardly_secrets() -> None:
    secrets = Secrets(None, ["none-needed", "no-key-is-needed-here", "0123456789", KEY])
    assert list(secrets.certain) == [KEY.encode()]
    assert len(secrets.all) == 4


def test_headers_whose_names_say_so_hold_secrets() -> None:
    headers = {"Authorization": "Bearer a-token", "x-portkey-api-key": "a-key", "anthropic-beta": "tools-2024-04-04"}
    assert list(secret_values(headers)) == ["a-token", "a-key"]
