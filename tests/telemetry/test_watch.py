import asyncio
from contextlib import suppress

from aibridge.telemetry.watch import Watch, current, interception_id
from tests.telemetry.fakes import FakeClock


def test_the_first_token_is_timed_from_the_start() -> None:
    clock = FakeClock()
    watch = Watch("id", clock)
    assert watch.first_token is None
    clock.advance(1.5)
    watch.answering()
    clock.advance(7)
    assert watch.first_token == 1.5


def test_waiting_for_somebody_else_is_not_its_own_time() -> None:
    clock = FakeClock()
    watch = Watch("id", clock)
    with suppress(ValueError), watch.waiting():
        clock.advance(3)
        raise ValueError
    clock.advance(1)
    assert watch.own == 1


def test_time_of_its_own_is_never_negative() -> None:
    watch = Watch("id", FakeClock())
    watch.waited = 5
    assert watch.own == 0


async def test_it_is_current_within_and_in_the_tasks_made_within() -> None:
    async def seen() -> Watch | None:
        return current.get()

    with Watch("id") as watch:
        assert await asyncio.create_task(seen()) is watch
    assert current.get() is None


def test_a_task_knows_which_interception_it_works_for() -> None:
    assert interception_id() is None
    with Watch("0197"):
        assert interception_id() == "0197"
