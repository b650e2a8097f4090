from __future__ import annotations

from aibridge.tools.timing import Pauses, Timing


def test_pauses_double_up_to_the_longest() -> None:
    pauses = Pauses(Timing(random=lambda: 0.0))
    assert [pauses.next() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_chance_shortens_a_pause_by_up_to_half() -> None:
    assert Pauses(Timing(random=lambda: 1.0)).next() == 0.25


def test_a_reset_begins_anew() -> None:
    pauses = Pauses(Timing(random=lambda: 0.0))
    pauses.next()
    pauses.reset()
    assert pauses.next() == 0.5
