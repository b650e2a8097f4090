"""A breaker opens after failures, lets a few try, and believes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge.upstream.breaker import Breaker, BreakerSettings

SETTINGS = BreakerSettings(failure_threshold=3, interval=10, open=30, half_open_requests=2)


def permit(breaker: Breaker, now: float) -> int:
    given = breaker.admit(now)
    assert given is not None
    return given


def opened(settings: BreakerSettings = SETTINGS) -> Breaker:
    """One that opened at 0."""
    breaker = Breaker(settings)
    for _ in range(settings.failure_threshold):
        breaker.fail(permit(breaker, 0), 0)
    assert breaker.state == "open"
    return breaker


def test_so_many_failures_within_the_interval_open_it() -> None:
    breaker = Breaker(SETTINGS)
    for now in (0, 5, 10):
        assert breaker.state == "closed"
        breaker.fail(permit(breaker, now), now)
    assert breaker.state == "open"


def test_failures_far_apart_do_not() -> None:
    breaker = Breaker(SETTINGS)
    for now in (0, 5, 10.1, 16, 22):
        breaker.fail(permit(breaker, now), now)
    assert breaker.state == "closed"


def test_while_open_nobody_passes_and_all_are_told_how_long() -> None:
    breaker = opened()
    assert (breaker.admit(0), breaker.wait(0)) == (None, 30)
    assert (breaker.admit(29.5), breaker.wait(29.5)) == (None, 0.5)
    assert breaker.wait(30) == 0
    assert breaker.state == "open"  # until somebody comes


def test_then_a_few_may_try_and_their_success_closes_it() -> None:
    breaker = opened()
    first, second = permit(breaker, 30), permit(breaker, 31)
    assert (breaker.state, breaker.admit(32), breaker.wait(32)) == ("half_open", None, 1)
    breaker.succeed(first)
    assert (breaker.state, breaker.admit(33)) == ("half_open", None)
    breaker.succeed(second)
    assert breaker.state == "closed"
    for _ in range(2):
        breaker.fail(permit(breaker, 34), 34)
    assert breaker.state == "closed"  # what was before is forgotten


def test_a_trial_that_fails_opens_it_again() -> None:
    breaker = opened()
    first, second = permit(breaker, 30), permit(breaker, 30)
    breaker.succeed(first)
    breaker.fail(second, 40)
    assert (breaker.state, breaker.wait(41), breaker.relapsed) == ("open", 29, True)


def test_a_trial_that_was_given_up_makes_room_for_another() -> None:
    breaker = opened()
    first, _ = permit(breaker, 30), permit(breaker, 30)
    assert breaker.admit(31) is None
    breaker.drop(first)
    assert breaker.admit(31) is not None


def test_news_from_before_the_last_change_is_no_news() -> None:
    breaker = Breaker(SETTINGS)
    stale = permit(breaker, 0)
    for _ in range(3):
        breaker.fail(permit(breaker, 0), 0)
    breaker.fail(stale, 20)
    assert breaker.wait(20) == 10  # it did not open anew
    permit(breaker, 30)
    for say in (breaker.succeed, breaker.succeed, breaker.drop):
        say(stale)
    breaker.fail(stale, 31)
    assert breaker.state == "half_open"
    assert breaker.admit(31) is not None
    assert breaker.admit(31) is None


def test_idle_is_closed_and_without_recent_failures() -> None:
    breaker = Breaker(SETTINGS)
    assert breaker.idle(0)
    breaker.fail(permit(breaker, 0), 0)
    assert not breaker.idle(10)
    assert breaker.idle(10.1)
    assert not opened().idle(100)


@pytest.mark.parametrize("threshold", [1, 2])
def test_the_threshold_is_exact(threshold: int) -> None:
    breaker = Breaker(BreakerSettings(failure_threshold=threshold))
    for _ in range(threshold - 1):
        breaker.fail(permit(breaker, 0), 0)
        assert breaker.state == "closed"
    breaker.fail(permit(breaker, 0), 0)
    assert breaker.state == "open"


@given(st.lists(st.tuples(st.sampled_from(["admit", "succeed", "fail", "drop"]), st.floats(0, 40)), max_size=60))
def test_whatever_happens_it_lets_few_try_and_does_not_stay_shut(steps: list[tuple[str, float]]) -> None:
    breaker, now, under_way = Breaker(SETTINGS), 0.0, []
    for what, later in steps:
        now += later
        if what == "admit":
            wait, given = breaker.wait(now), breaker.admit(now)
            assert (given is None) == (wait > 0)
            assert wait <= SETTINGS.open
            if given is not None:
                under_way.append((given, breaker.state))
        elif under_way:
            (given, _), *under_way = under_way
            if what == "fail":
                breaker.fail(given, now)
            elif what == "drop":
                breaker.drop(given)
            else:
                breaker.succeed(given)
        trials = [given for given, state in under_way if state == "half_open" and given == breaker._period]
        assert len(trials) <= SETTINGS.half_open_requests
    if breaker.state == "open":
        assert breaker.admit(now + SETTINGS.open) is not None


def test_what_was_before_it_closed_counts_no_more() -> None:
    settings = BreakerSettings(failure_threshold=2, interval=10, open=1, half_open_requests=1)
    breaker = opened(settings)
    breaker.succeed(permit(breaker, 1))
    breaker.fail(permit(breaker, 2), 2)
    assert breaker.state == "closed"
