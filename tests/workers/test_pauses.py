"""How long to wait before a dead worker is replaced."""

from aibridge.workers.pauses import LONGEST, Pauses


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_who_dies_at_once_again_and_again_is_replaced_ever_later() -> None:
    clock = Clock()
    pauses = Pauses(clock)
    taken = []
    for _ in range(12):
        clock.at += 0.5
        taken.append(pauses.next())
        clock.at += taken[-1]
    assert taken[:4] == [0.2, 0.4, 0.8, 1.6]
    assert taken[-1] == LONGEST


def test_who_has_lived_for_a_while_is_replaced_at_once() -> None:
    clock = Clock()
    pauses = Pauses(clock)
    for _ in range(8):
        clock.at += pauses.next()
    clock.at += 11
    assert pauses.next() == 0.1
