from math import sin

import pytest

from tests.chaos.gauges import Sample, drift, leaked, minutes, rise, slope, warm


def looked(
    at: float = 0.0, *, rss: float = 100.0, fds: int = 20, connections: int = 3, tasks: int = 10, threads: int = 7
) -> Sample:
    return Sample(at, rss, fds, threads=threads, connections=connections, tasks=tasks, inflight=0, unrecorded=0)


def test_the_slope_is_what_is_added_in_an_hour() -> None:
    minutes = range(31)
    assert slope([looked(60 * minute, rss=100 + 0.1 * minute) for minute in minutes]) == 6.0
    assert slope([looked(60 * minute, fds=20 - minute % 2) for minute in minutes]) == 0.0
    assert slope([looked(60 * minute, fds=minute) for minute in minutes], "fds") == 60.0


def test_one_high_tide_is_no_slope_and_many_steps_are() -> None:
    minutes = range(31)
    assert slope([looked(60 * minute, rss=100 + 5 * (minute == 25)) for minute in minutes]) == 0.0
    assert 4 < slope([looked(60 * minute, rss=100 + minute // 10) for minute in minutes]) < 8


@pytest.mark.parametrize("leak", [0.0, 1.0, 3.0])
def test_a_leak_shows_through_the_tides_of_half_an_hour(leak: float) -> None:
    """What is free goes back each half minute, caches fill within ten, and traffic is never quite the same."""
    looks = [
        looked(at, rss=200 + 20 * min(at / 600, 1) + at % 30 / 15 + 0.3 * sin(at / 70) + leak * at / 3600)
        for at in range(0, 1800, 5)
    ]
    assert slope(minutes(warm(looks))) == pytest.approx(leak, abs=0.3)


def test_a_minute_has_the_mean_of_its_looks() -> None:
    looks = [looked(1000 + at, rss=100 + at) for at in range(0, 120, 10)]
    assert [(one.at, one.rss) for one in minutes(looks)] == [(1025, 125), (1085, 185)]


def test_the_rise_is_what_there_is_more_at_the_end() -> None:
    assert rise([looked(at, rss=100 + at // 10) for at in range(30)]) == 2.0


def test_the_drift_is_what_the_second_half_has_more() -> None:
    assert drift([looked(tasks=tasks) for tasks in (90, 110, 120, 140)], "tasks") == 0.3
    assert drift([looked(tasks=tasks) for tasks in (90, 110, 110, 90)], "tasks") == 0.0


def test_too_few_looks_have_none() -> None:
    assert slope([looked(0), looked(60, rss=200)]) == 0.0


def test_what_is_held_beyond_what_was_held_before_has_leaked() -> None:
    assert leaked(looked(tasks=10), looked(tasks=11)) == {"tasks": 1}
    assert leaked(looked(fds=20, connections=3), looked(fds=22, connections=5)) == {"connections": 2}
    assert leaked(looked(fds=20), looked(fds=40)) == {"files": 20}
    assert leaked(looked(tasks=10), looked(tasks=9)) == {}


def test_what_may_begin_late_has_not() -> None:
    assert leaked(looked(fds=20, threads=7), looked(fds=29, threads=12)) == {}
    assert leaked(looked(threads=7), looked(threads=13)) == {"threads": 6}


def test_the_first_third_is_the_warm_up() -> None:
    samples = [looked(at) for at in range(9)]
    assert warm(samples) == samples[3:]
