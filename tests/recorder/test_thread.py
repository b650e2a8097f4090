"""The thread beside the event loop: one job after another, and what comes of each."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from aibridge.recorder.thread import OneThread


@pytest.fixture
async def thread() -> OneThread:
    return OneThread("beside")


@pytest.fixture(autouse=True)
def ended(thread: OneThread) -> Iterator[None]:
    yield
    thread.stop()


async def test_jobs_are_done_one_after_another_and_elsewhere(thread: OneThread) -> None:
    done: list[int] = []
    async with asyncio.timeout(5):
        await asyncio.gather(*(thread.do(partial(done.append, number)) for number in range(100)))
        assert await thread.do(threading.get_ident) != threading.get_ident()
    assert done == list(range(100))


async def test_an_error_is_whose_job_it_was_and_the_next_job_is_done(thread: OneThread) -> None:
    failing, next_one = thread.do(lambda: 1 / 0), thread.do(lambda: "done")
    async with asyncio.timeout(5):
        with pytest.raises(ZeroDivisionError):
            await failing
        assert await next_one == "done"


async def test_a_job_that_nobody_waits_for_any_more_is_done_all_the_same(
    thread: OneThread, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []
    thread.do(lambda: done.append("yes")).cancel()
    async with asyncio.timeout(5):
        await thread.do(lambda: None)
    assert done == ["yes"]
    assert caplog.messages == []  # no complaint of the event loop's


async def test_it_ends_when_all_is_done(thread: OneThread) -> None:
    own = thread.do(threading.current_thread)
    last = thread.do(lambda: "last")
    thread.stop()
    async with asyncio.timeout(5):
        assert await last == "last"
        await asyncio.to_thread((await own).join)


async def test_a_job_may_outlive_its_loop() -> None:
    may_end, done = threading.Event(), []

    async def ask() -> OneThread:
        thread = OneThread("outlives")
        _ = thread.do(lambda: may_end.wait(5))
        _ = thread.do(lambda: done.append("the next one"))
        return thread

    outlives = await asyncio.to_thread(asyncio.run, ask())
    [own] = [thread for thread in threading.enumerate() if thread.name == "outlives"]
    outlives.stop()
    may_end.set()
    await asyncio.to_thread(own.join, 5)
    assert done == ["the next one"]
