"""A limit on a block, which does what asyncio.timeout does."""

from __future__ import annotations

import asyncio

import pytest

from aibridge.deadline import Deadline
from tests.clocks import LoopClock, settled


async def test_what_takes_too_long_is_broken_off() -> None:
    with LoopClock() as clock:
        task = asyncio.create_task(_waits(5))
        await settled()
        await clock.go(4.9)
        assert not task.done()
        await clock.go(0.2)
        with pytest.raises(TimeoutError):
            await task
    assert task.cancelling() == 0


async def test_what_is_quick_is_let_be() -> None:
    with LoopClock() as clock:
        with Deadline(5):
            pass
        await clock.go(10)


async def test_an_error_passes() -> None:
    with pytest.raises(ZeroDivisionError), Deadline(5):
        raise ZeroDivisionError


async def test_a_limit_that_is_lifted_holds_no_longer() -> None:
    with LoopClock() as clock, Deadline(5) as limit:
        limit.lift()
        await clock.go(10)


async def test_who_is_cancelled_by_somebody_else_is_cancelled() -> None:
    task = asyncio.create_task(_waits(5))
    await settled()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_by_both_at_once_is_cancelled() -> None:
    with LoopClock() as clock:
        task = asyncio.create_task(_waits(5))
        await settled()
        asyncio.get_running_loop().call_later(5, task.cancel)
        await clock.go(5.1)
        with pytest.raises(asyncio.CancelledError):
            await task


async def _waits(seconds: float) -> None:
    with Deadline(seconds):
        await asyncio.Event().wait()
