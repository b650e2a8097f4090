"""Keys that fail stand back for others; when none is left, the caller hears when to come back."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from aibridge.errors import UpstreamError
from aibridge.model import Credential
from aibridge.upstream import UpstreamClient
from tests.upstream.hands import Hands
from tests.upstream.provider import (
    BYOK,
    CENTRALIZED,
    OTHER,
    OTHER_KEY,
    OWN_KEY,
    Connection,
    FakeProvider,
    client,
    read,
    reply,
    serve,
    target,
)

FIRST, SECOND = OWN_KEY[-4:], OTHER_KEY[-4:]
WELL = reply(b"yes")
REFUSED = reply(b"no", "401 Unauthorized")
QUOTA = reply(b'{"error": {"code": "insufficient_quota"}}', "429 Too Many Requests")


def limited(seconds: int | None = None) -> bytes:
    headers = b"" if seconds is None else b"retry-after: %d\r\n" % seconds
    return reply(b"slow down", "429 Too Many Requests", headers)


class Keyed:
    """A provider that answers by the key, and the keys that it saw."""

    def __init__(self, first: bytes, second: bytes = WELL) -> None:
        self.answers = {FIRST: first, SECOND: second}
        self.seen: list[str] = []
        self.hands = Hands()

    async def __call__(self, connection: Connection) -> None:
        while True:
            headers = dict((await connection.receive()).headers)
            key = headers[b"authorization"].decode()[-4:]
            self.seen.append(key)
            await connection.send(self.answers.get(key, REFUSED))

    @asynccontextmanager
    async def client(
        self, retries: int = 0, credentials: tuple[Credential, ...] = (CENTRALIZED, OTHER)
    ) -> AsyncIterator[UpstreamClient]:
        provider: FakeProvider
        async with (
            serve(self) as provider,
            client(provider, retries=retries, credentials=credentials, clock=self.hands.clock) as upstreams,
        ):
            yield upstreams


@pytest.mark.parametrize("answer", [limited(), REFUSED, QUOTA, reply(b"pay", "402 Payment Required")])
async def test_the_next_key_serves_at_once(answer: bytes) -> None:
    keyed = Keyed(answer)
    async with keyed.client() as upstreams:
        assert (await read(upstreams.bind(target())))[::2] == (200, b"yes")
        assert (await read(upstreams.bind(target())))[::2] == (200, b"yes")
    assert keyed.seen == [FIRST, SECOND, SECOND]  # and the first rests
    assert keyed.hands.slept == []


@pytest.mark.parametrize(("answer", "seconds"), [(limited(7), 7), (limited(), 60), (REFUSED, 60), (QUOTA, 60)])
async def test_it_rests_so_long_and_for_this_model_alone(answer: bytes, seconds: int) -> None:
    keyed = Keyed(answer)
    async with keyed.client() as upstreams:
        await read(upstreams.bind(target()))
        await read(upstreams.bind(target(model="gpt-6")))
        keyed.seen.clear()
        for at in (seconds - 0.1, seconds):
            keyed.hands.at = at
            await read(upstreams.bind(target()))
    assert keyed.seen == [SECOND, FIRST, SECOND]


async def test_no_key_rests_for_days() -> None:
    keyed = Keyed(limited(86_400))
    async with keyed.client() as upstreams:
        await read(upstreams.bind(target()))
        keyed.hands.at = 3600
        await read(upstreams.bind(target()))
    assert keyed.seen == [FIRST, SECOND, FIRST, SECOND]


@pytest.mark.parametrize("status", ["400 Bad", "403 No", "500 Oops", "503 Busy"])
async def test_what_another_key_would_not_mend(status: str) -> None:
    keyed = Keyed(reply(b"no", status))
    async with keyed.client() as upstreams:
        assert (await read(upstreams.bind(target())))[2] == b"no"
    assert keyed.seen == [FIRST]


async def test_the_only_key_never_rests_and_its_limit_passes_as_it_came() -> None:
    keyed = Keyed(limited(7))
    async with keyed.client(credentials=(CENTRALIZED,)) as upstreams:
        for _ in range(2):
            status, headers, body = await read(upstreams.bind(target()))
            assert (status, body) == (429, b"slow down")
            assert (b"retry-after", b"7") in headers
    assert keyed.seen == [FIRST, FIRST]


async def test_a_callers_own_key_is_never_replaced() -> None:
    keyed = Keyed(WELL)
    async with keyed.client() as upstreams:
        assert (await read(upstreams.bind(target(credential=BYOK))))[0] == 401
    assert keyed.seen == ["0003"]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [(limited(9), limited(20), b"9"), (limited(20), limited(9), b"9"), (limited(), limited(), b"60")],
)
async def test_when_all_are_limited_the_first_to_be_free_says_when(first: bytes, second: bytes, said: bytes) -> None:
    keyed = Keyed(first, second)
    async with keyed.client() as upstreams:
        status, headers, body = await read(upstreams.bind(target()))
    assert (status, body) == (429, b"slow down")
    assert [value for name, value in headers if name == b"retry-after"] == [said]
    assert keyed.seen == [FIRST, SECOND]


async def test_when_one_is_limited_and_the_last_refused_it_is_a_limit() -> None:
    keyed = Keyed(limited(9), REFUSED)
    async with keyed.client() as upstreams:
        with pytest.raises(UpstreamError) as caught:
            await read(upstreams.bind(target()))
    error = caught.value
    assert (error.status, error.type, error.retry_after) == (429, "rate_limited", 9)
    assert error.message == "openai has no usable key left for gpt-5: ask again later"


async def test_when_all_are_refused_it_is_the_gateways_fault() -> None:
    keyed = Keyed(REFUSED, REFUSED)
    async with keyed.client(retries=2) as upstreams:
        with pytest.raises(UpstreamError) as caught:
            await read(upstreams.bind(target()))
    assert (caught.value.status, caught.value.type) == (502, "unauthorized")
    assert "(sk-…0002)" in caught.value.message
    assert keyed.seen == [FIRST, SECOND]


async def test_when_all_were_tried_the_first_to_be_free_is_waited_for() -> None:
    keyed = Keyed(limited(9), limited(20))
    async with keyed.client(retries=1) as upstreams:
        assert (await read(upstreams.bind(target())))[0] == 429
    assert keyed.hands.slept == [9]
    assert keyed.seen == [FIRST, SECOND, FIRST, SECOND]


async def test_the_log_says_which_key_rests_and_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aibridge")
    keyed = Keyed(limited(9))
    async with keyed.client() as upstreams:
        await read(upstreams.bind(target()))
        keyed.answers[FIRST] = QUOTA
        await read(upstreams.bind(target(model="a\nb")))
    assert caplog.messages == [
        "openai: the key sk-…0001 rests for 9 s (rate_limited; model 'gpt-5')",
        "openai: the key sk-…0001 rests for 60 s (quota; model 'a\\nb')",
    ]
    assert OWN_KEY not in caplog.text


async def test_the_key_that_was_sent_is_the_one_taken_out_of_the_answer() -> None:
    keyed = Keyed(REFUSED, reply(f"{OTHER_KEY} {OWN_KEY}".encode(), "400 Bad"))
    async with keyed.client() as upstreams:
        assert (await read(upstreams.bind(target())))[2] == "sk-…0002 ***".encode()


async def test_a_failure_of_another_kind_after_the_wait_passes_as_it_came() -> None:
    keyed = Keyed(limited(9), limited(20))

    async def sleep(_: float) -> None:
        keyed.hands.at = 5
        keyed.answers[SECOND] = reply(b"busy", "503 Busy")

    keyed.hands.clock = replace(keyed.hands.clock, sleep=sleep)
    async with keyed.client(retries=1) as upstreams:
        status, headers, body = await read(upstreams.bind(target()))
    assert (status, headers, body) == (503, ((b"content-length", b"4"),), b"busy")
