"""A provider that fails is left alone; who asks meanwhile is told at once, and so are the metrics and the log."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from aibridge.errors import UpstreamError
from aibridge.upstream import BreakerSettings, breakers
from aibridge.upstream.breakers import Breakers, Circuit
from tests.upstream.hands import Hands
from tests.upstream.provider import BYOK, Connection, client, read, reply, replying, serve, target

SETTINGS = BreakerSettings(failure_threshold=2, interval=10, open=30, half_open_requests=1)
CHAT = Circuit("openai", "/chat/completions", "gpt-5")
BUSY = reply(b"no", "503 Busy")
WELL = reply(b"yes")


class Board:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Circuit, str]] = []

    def __call__(self, circuit: Circuit, event: str) -> None:
        self.events.append((circuit, event))


async def test_its_whole_life(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "aibridge")
    hands, board = Hands(), Board()
    async with (
        replying(BUSY, BUSY, BUSY, WELL) as provider,
        client(provider, breaker=SETTINGS, clock=hands.clock, watch=board) as upstreams,
    ):
        upstream = upstreams.bind(target())
        for _ in range(2):
            assert (await read(upstream))[::2] == (503, b"no")
        hands.at = 2.5
        with pytest.raises(UpstreamError) as caught:
            await read(upstream)
        assert len(provider.received) == 2
        assert upstreams.breakers() == [(CHAT, "open")]
        error = caught.value
        assert (error.status, error.retry_after, error.fault) == (503, 27.5, "upstream")
        assert error.message == "openai has failed 2 times in 10 s for gpt-5: it is left alone for 28 s"

        hands.at = 30
        assert (await read(upstream))[0] == 503  # the trial fails, too
        with pytest.raises(UpstreamError, match=r"^openai has failed again for gpt-5: it is left alone for 30 s$"):
            await read(upstream)
        hands.at = 60
        for _ in range(3):
            assert (await read(upstream))[2] == b"yes"
    assert [event for _, event in board.events] == [
        "open",
        "refused",
        "half_open",
        "open",
        "refused",
        "half_open",
        "closed",
    ]
    assert {circuit for circuit, _ in board.events} == {CHAT}
    assert caplog.messages == [
        "openai has failed 2 times in 10 s for gpt-5: it is left alone for 30 s",
        "openai is tried again for gpt-5",
        "openai has failed again for gpt-5: it is left alone for 30 s",
        "openai is tried again for gpt-5",
        "openai works again for gpt-5",
    ]


async def test_each_endpoint_and_model_has_its_own() -> None:
    async with replying(BUSY, BUSY, WELL) as provider, client(provider, breaker=SETTINGS) as upstreams:
        for _ in range(2):
            await read(upstreams.bind(target()))
        assert (await read(upstreams.bind(target(model="gpt-6"))))[0] == 200
        assert (await read(upstreams.bind(target("/responses"))))[0] == 200
        with pytest.raises(UpstreamError, match="left alone"):
            await read(upstreams.bind(target(credential=BYOK)))


@pytest.mark.parametrize("status", ["400 Bad", "401 No", "404 No", "429 Slow", "500 Oops"])
async def test_what_does_not_count(status: str) -> None:
    async with replying(reply(b"no", status)) as provider, client(provider, breaker=SETTINGS) as upstreams:
        for _ in range(5):
            await read(upstreams.bind(target(credential=BYOK)))
    assert len(provider.received) == 5


@pytest.mark.parametrize("status", ["502 Bad", "503 Busy", "504 Slow", "529 Full"])
async def test_what_counts(status: str) -> None:
    async with replying(reply(b"no", status)) as provider, client(provider, breaker=SETTINGS) as upstreams:
        for _ in range(2):
            await read(upstreams.bind(target()))
        with pytest.raises(UpstreamError, match="left alone"):
            await read(upstreams.bind(target()))


async def test_lost_connections_and_late_first_bytes_count() -> None:
    async def script(connection: Connection) -> None:
        await connection.receive()
        if provider.connections == 2:
            await connection.gone()

    async with serve(script) as provider, client(provider, breaker=SETTINGS, first_byte=0.05) as upstreams:
        for words in ("closed the connection", "did not start responding", "left alone"):
            with pytest.raises(UpstreamError, match=words):
                await read(upstreams.bind(target()))


async def test_a_retry_is_not_waited_for_where_it_would_be_refused() -> None:
    hands = Hands()
    async with (
        replying(BUSY) as provider,
        client(provider, retries=5, breaker=SETTINGS, clock=hands.clock) as upstreams,
    ):
        assert (await read(upstreams.bind(target())))[::2] == (503, b"no")  # the provider's own
    assert (len(provider.received), hands.slept) == (2, [0.5])


async def test_a_breaker_that_opens_during_the_wait_leaves_the_last_failure_to_be_told() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            assert (await read(upstream))[2] == b"no"  # twice, the second time after a wait of its own

    clock = replace(Hands().clock, sleep=sleep)
    slow = reply(b"slow", "500 Oops", b"retry-after: 9\r\n")
    async with (
        replying(slow, BUSY) as provider,
        client(provider, retries=1, breaker=SETTINGS, clock=clock) as upstreams,
    ):
        upstream = upstreams.bind(target())
        assert (await read(upstream))[::2] == (500, b"slow")
    assert (len(provider.received), waits) == (3, [9, 0.5])


async def test_a_trial_that_is_cancelled_makes_room_for_the_next() -> None:
    hands, begun = Hands(), asyncio.Event()

    async def script(connection: Connection) -> None:
        while True:
            received = await connection.receive()
            if received.body == b"wait":
                begun.set()
                await connection.gone()
            await connection.send(WELL if received.body == b"well" else BUSY)

    async with (
        asyncio.timeout(5),
        serve(script) as provider,
        client(provider, breaker=SETTINGS, clock=hands.clock) as upstreams,
    ):
        upstream = upstreams.bind(target())
        for _ in range(2):
            await read(upstream)
        hands.at = 30
        trial = asyncio.create_task(read(upstream, b"wait"))
        await begun.wait()
        with pytest.raises(UpstreamError, match="for gpt-5: it is being tried again") as caught:
            await read(upstream)
        assert caught.value.retry_after == 1
        trial.cancel()
        await asyncio.gather(trial, return_exceptions=True)
        assert (await read(upstream, b"well"))[0] == 200


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/responses", "/responses"),
        ("/responses/resp_123/input_items", "/v1/responses/{id}…"),
        ("/models/gpt-5", "/v1/models/{id}(/{id})*"),
        ("/elsewhere", "other"),
    ],
)
async def test_ids_in_paths_make_no_breakers(path: str, endpoint: str) -> None:
    board = Board()
    async with replying(BUSY) as provider, client(provider, breaker=SETTINGS, watch=board) as upstreams:
        for _ in range(2):
            await read(upstreams.bind(target(path, method="GET", model="")), b"")
        with pytest.raises(UpstreamError) as caught:
            await read(upstreams.bind(target(path, method="GET", model="")), b"")
    assert board.events[0] == (Circuit("openai", endpoint, ""), "open")
    assert f" at {endpoint}: " in caught.value.message


async def test_a_long_name_of_a_model_is_cut() -> None:
    async with replying(BUSY) as provider, client(provider, breaker=SETTINGS) as upstreams:
        upstream = upstreams.bind(target(model="x" * 100_000))
        for _ in range(2):
            await read(upstream)
        with pytest.raises(UpstreamError) as caught:
            await read(upstream)
    assert len(caught.value.message) < 200


def named(number: int) -> Circuit:
    return Circuit("openai", "/responses", f"model-{number}")


def test_there_is_a_bound_and_the_idle_go_first() -> None:
    hands, board = Hands(), Board()
    kept = Breakers(BreakerSettings(failure_threshold=1), hands.clock.now, board)
    for number in range(breakers.LIMIT):
        kept.fail(named(number), kept.admit(named(number)))
    assert kept.closed_to(named(0))
    kept.fail(named(-1), kept.admit(named(-1)))
    assert board.events[-2:] == [(named(0), "closed"), (named(-1), "open")]  # all are open: the oldest goes
    assert not kept.closed_to(named(0))
    assert kept.closed_to(named(1))

    for number in range(1, breakers.LIMIT):
        hands.at = 30
        for _ in range(3):
            kept.succeed(named(number), kept.admit(named(number)))
    hands.at = 31
    board.events.clear()
    kept.fail(named(-2), kept.admit(named(-2)))
    assert board.events == [(named(-2), "open")]
    assert len(kept._breakers) == 2


def test_without_settings_nothing_is_refused() -> None:
    kept = Breakers(None, Hands().clock.now)
    for _ in range(100):
        kept.fail(CHAT, kept.admit(CHAT))
    assert not kept.closed_to(CHAT)


def test_once_is_said_as_once() -> None:
    kept = Breakers(BreakerSettings(failure_threshold=1), Hands().clock.now)
    kept.fail(CHAT, kept.admit(CHAT))
    with pytest.raises(UpstreamError, match="has failed once in 10 s"):
        kept.admit(CHAT)
