import asyncio
from contextlib import suppress

from aibridge.model import Head, Relay
from aibridge.telemetry.watch import Watch, current
from tests.telemetry.fakes import FakeClock, sink


async def test_the_first_token_is_the_first_relay_behind_a_good_head() -> None:
    clock = FakeClock()
    watch = Watch("id", clock)
    send = watch.sending(sink)
    clock.advance(1)
    await send(Head(200, ()))
    clock.advance(0.5)
    await send(Relay(b"a"))
    clock.advance(7)
    await send(Relay(b"b"))
    assert watch.first_token == 1.5


async def test_a_refusal_has_no_first_token() -> None:
    watch = Watch("id", FakeClock())
    send = watch.sending(sink)
    await send(Head(429, ()))
    await send(Relay(b"{}"))
    assert watch.first_token is None


async def test_waiting_for_a_slow_client_is_not_the_gateways_own_time() -> None:
    clock = FakeClock()
    watch = Watch("id", clock)

    async def slow(_: Head | Relay) -> None:
        clock.advance(3)

    clock.advance(1)
    await watch.sending(slow)(Head(200, ()))
    assert (watch.elapsed, watch.waited, watch.own) == (4, 3, 1)


def test_nor_is_waiting_for_anybody_else() -> None:
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
