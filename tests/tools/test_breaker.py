from __future__ import annotations

from aibridge.tools.breaker import TRIAL_SECONDS, Breaker


def broken(failures: int = 3) -> Breaker:
    breaker = Breaker(failures=3, seconds=30)
    for now in range(failures):
        assert breaker.admit(now) == 0
        breaker.fail(now, now)
    return breaker


def test_failures_in_a_row_open_it_for_a_while() -> None:
    breaker = broken()
    assert breaker.open
    assert breaker.admit(2) == 30
    assert breaker.admit(31) == 1


def test_a_success_between_begins_anew() -> None:
    breaker = broken(2)
    breaker.succeed()
    breaker.fail(5, 5)
    assert not breaker.open


def test_calls_that_break_together_count_as_one() -> None:
    breaker = broken(2)
    breaker.fail(0.5, 3)
    assert not breaker.open
    breaker.fail(2, 3)
    assert breaker.open


def test_after_the_while_one_is_a_trial() -> None:
    breaker = broken()
    assert breaker.admit(32) == 0
    assert breaker.admit(32) == TRIAL_SECONDS
    breaker.succeed()
    assert not breaker.open
    assert breaker.admit(32) == 0


def test_a_trial_that_fails_opens_it_again() -> None:
    breaker = broken()
    assert breaker.admit(32) == 0
    breaker.fail(32, 40)
    assert breaker.admit(41) == 29
    assert breaker.admit(70) == 0


def test_a_trial_that_came_to_nothing_makes_room_for_another() -> None:
    breaker = broken()
    assert breaker.admit(32) == 0
    breaker.drop()
    assert breaker.admit(32) == 0


def test_a_server_that_is_back_is_tried_at_once() -> None:
    breaker = broken()
    breaker.hint()
    assert breaker.admit(3) == 0
    assert breaker.admit(3) == TRIAL_SECONDS
