import asyncio
import threading

import pytest

from aibridge.testing import Gate


async def test_waiters_go_through_once_it_is_open() -> None:
    gate = Gate()
    waiters = [asyncio.create_task(gate.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(waiter.done() for waiter in waiters)
    gate.open()
    async with asyncio.timeout(1):
        await asyncio.gather(*waiters)


async def test_an_open_gate_holds_nobody() -> None:
    gate = Gate()
    gate.open()
    gate.open()
    await gate.wait()
    gate.wait_blocking(0)
    assert gate.is_open
    assert repr(gate) == "<Gate open>"


def test_a_shut_gate_times_out() -> None:
    gate = Gate()
    with pytest.raises(TimeoutError, match=r"not opened within 0\.01 s"):
        gate.wait_blocking(0.01)
    assert repr(gate) == "<Gate shut>"


def test_a_waiter_that_gave_up_is_forgotten() -> None:
    gate = Gate()
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(gate.wait(), 0.01))
    gate.open()  # its event loop is closed by now
    assert gate.is_open


async def test_it_opens_from_another_thread() -> None:
    gate = Gate()
    waiter = asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    threading.Thread(target=gate.open).start()
    async with asyncio.timeout(1):
        await waiter
