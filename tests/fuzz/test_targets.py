"""What the fuzzer feeds, fed without it: the seeds, what once failed, some random bytes, and a few large inputs."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aibridge.errors import ClientError
from tests.dialects.playing import Voice, play
from tests.fuzz import bounds
from tests.fuzz.bounds import bounded, watched
from tests.fuzz.seeds import VOICES, seeds
from tests.fuzz.targets import TARGETS

MANY = 100_000


@pytest.mark.parametrize("target", TARGETS)
def test_the_seeds_pass(target: str) -> None:
    fed = 0
    for seed in seeds(target):
        TARGETS[target].feed(seed)
        fed += 1
    assert fed > 10


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=400))
def test_any_bytes_pass(target: str, data: bytes) -> None:
    TARGETS[target].feed(data)


def test_the_shares_come_to_a_whole() -> None:
    assert sum(target.share for target in TARGETS.values()) == 1000


@pytest.mark.parametrize("voice", VOICES, ids=[voice.name for voice in VOICES])
@pytest.mark.parametrize("nasty", [b"[],", b"{},", b'{"a":0},', b'"\\u00e9",', b"0,", b'"\\ud83d",'])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_large_answer_takes_no_more_than_a_hundred_times_its_size(
    voice: Voice, nasty: bytes, streaming: bool
) -> None:
    rubbish = b'{"id":"x","choices":[%b0]}' % (nasty * (MANY // len(nasty)))
    answer = b"data: %b\n\n" % rubbish if streaming else rubbish
    with watched(len(answer), memory=True):
        played = play(voice, voice.request(streaming=streaming), [answer])
    bounded(len(answer), len(played.body))


@pytest.mark.parametrize("voice", VOICES, ids=[voice.name for voice in VOICES])
@pytest.mark.parametrize("event", [b"\n\n", b"data\n\n", b":\n\n", b"data: {}\n\n", b"\r\r", b"data:\r\r", b"data:\n"])
def test_many_small_events_take_no_more_than_a_hundred_times_their_size(voice: Voice, event: bytes) -> None:
    answer = event * (MANY // len(event))
    with watched(len(answer), memory=True):
        played = play(voice, voice.request(streaming=True), [answer])
    bounded(len(answer), len(played.body))


@pytest.mark.parametrize("voice", VOICES, ids=[voice.name for voice in VOICES])
@pytest.mark.parametrize("nasty", [b"[],", b"{},", b'{"role":"user"},', b'{"type":"x","name":"y"},'])
@pytest.mark.parametrize("member", [b"messages", b"input", b"tools", b"more"])
def test_a_large_request_takes_no_more_than_a_hundred_times_its_size(voice: Voice, nasty: bytes, member: bytes) -> None:
    many = b"[%b{}]" % (nasty * (MANY // len(nasty)))
    body = voice.request(streaming=False)[:-1] + b',"%b":%b}' % (member, many)
    with watched(len(body), memory=True):
        try:
            played = play(voice, body, [b"{}"])
        except ClientError:
            return
    bounded(len(body), sum(map(len, played.requests)))


def test_what_grows_too_much_is_noticed() -> None:
    with pytest.raises(AssertionError, match="10 bytes came in and 1000000 went out"):
        bounded(10, 1_000_000)
    with pytest.raises(AssertionError, match="10 bytes came in and took"):
        with watched(10, memory=True):
            bytearray(1_000_000)


def test_what_takes_too_long_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SECONDS", 0.0)
    with pytest.raises(AssertionError, match="took more than 0 s"):
        with watched(10, memory=False):
            sum(range(1000))
