"""When a wait is too long, by a clock that the test turns."""

import asyncio
from collections.abc import Callable

import pytest

from aibridge.upstream.silence import Silence


class Clock:
    """Stands in for the event loop: a time, and the one timer that was armed."""

    def __init__(self) -> None:
        self.now = 100.0
        self.armed = 0
        self._timer: tuple[float, Callable[[], None]] | None = None

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> "Clock":
        assert self._timer is None
        self.armed += 1
        self._timer = when, callback
        return self

    def cancel(self) -> None:
        self._timer = None

    def turn(self, seconds: float) -> None:
        end = self.now + seconds
        while self._timer is not None and self._timer[0] <= end:
            (self.now, callback), self._timer = self._timer, None
            callback()
        self.now = end


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    return clock


@pytest.fixture
def broken() -> list[float]:
    return []


@pytest.fixture
def silence(clock: Clock, broken: list[float]) -> Silence:
    return Silence(10, lambda: broken.append(clock.now))


def test_a_wait_that_lasts_too_long_is_broken_on_time(silence: Silence, clock: Clock, broken: list[float]) -> None:
    silence.begin()
    clock.turn(9.9)
    assert broken == []
    clock.turn(0.2)
    assert broken == [110.0]


def test_each_wait_counts_by_itself(silence: Silence, clock: Clock, broken: list[float]) -> None:
    for _ in range(100):
        silence.begin()
        clock.turn(9)
        silence.end()
    assert broken == []
    silence.begin()
    clock.turn(11)
    assert broken == [1010.0]


def test_a_slow_reader_is_not_the_peers_silence(silence: Silence, clock: Clock, broken: list[float]) -> None:
    silence.begin()
    clock.turn(1)
    silence.end()
    clock.turn(1000)
    silence.begin()
    clock.turn(9)
    assert broken == []
    clock.turn(1)
    assert broken == [1111.0]


def test_pieces_cost_no_timer_each(silence: Silence, clock: Clock) -> None:
    for _ in range(10_000):
        silence.begin()
        clock.turn(0.001)
        silence.end()
    assert clock.armed <= 2


def test_nothing_happens_once_it_is_stopped(silence: Silence, clock: Clock, broken: list[float]) -> None:
    silence.begin()
    silence.stop()
    silence.stop()
    clock.turn(100)
    assert broken == []
