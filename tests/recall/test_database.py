"""The database for coroutines: shared commits, bounded waits, and threads that end."""

import asyncio
import threading
from collections.abc import AsyncIterator

import psutil
import pytest
from sqlalchemy import Engine, event

from aibridge.recall.database import Database
from aibridge.recall.turns import Kept, Place, Turns
from tests import databases
from tests.recall.parts import Clock, digests_in, holding_the_lock, kept, place


@pytest.fixture
async def patient(engine: Engine, clock: Clock) -> AsyncIterator[Database]:
    database = Database(Turns(engine, clock), wait_seconds=5)
    yield database
    await database.close()


@pytest.fixture
async def hasty(engine: Engine, clock: Clock) -> AsyncIterator[Database]:
    """Waits for nothing long."""
    database = Database(Turns(engine, clock), wait_seconds=0.05)
    yield database
    await database.close()


class Gate:
    """Holds up every transaction of the engine until it is opened."""

    def __init__(self, engine: Engine) -> None:
        self.passed = 0
        self._came = asyncio.Event()
        self._opened = threading.Event()
        self._loop = asyncio.get_running_loop()
        event.listen(engine, "checkout", self._hold_up)

    def _hold_up(self, *_: object) -> None:
        self.passed += 1
        self._loop.call_soon_threadsafe(self._came.set)
        assert self._opened.wait(10)

    async def somebody_waits(self) -> None:
        await self._came.wait()

    def open(self) -> None:
        self._opened.set()


def one(digest: str) -> dict[Place, Kept]:
    return {place(digest): kept()}


async def test_what_gathers_while_one_turn_is_written_shares_a_commit(
    patient: Database, engine: Engine, path: databases.Database
) -> None:
    gate = Gate(engine)
    async with asyncio.timeout(5):
        first = asyncio.create_task(patient.keep(one("first")))
        await gate.somebody_waits()
        others = [asyncio.create_task(patient.keep(one(f"{number:02}"))) for number in range(50)]
        await asyncio.sleep(0)
        gate.open()
        await asyncio.gather(first, *others)
    assert gate.passed == 2
    assert len(digests_in(path)) == 51


async def test_of_turns_at_one_place_that_are_written_together_the_latest_stays(
    patient: Database, engine: Engine
) -> None:
    gate = Gate(engine)
    async with asyncio.timeout(5):
        first = asyncio.create_task(patient.keep(one("first")))
        await gate.somebody_waits()
        others = [asyncio.create_task(patient.keep({place("k"): kept(content)})) for content in (b"1", b"2", b"3")]
        await asyncio.sleep(0)
        gate.open()
        await asyncio.gather(first, *others)
        assert await patient.find("alice", "work", ["k"]) == {place("k"): kept(b"3")}


async def test_a_failure_is_everybodys_and_told_once(
    hasty: Database, path: databases.Database, caplog: pytest.LogCaptureFixture
) -> None:
    lock = holding_the_lock(path)
    async with asyncio.timeout(5):
        await asyncio.gather(*(hasty.keep(one(f"{number:02}")) for number in range(50)))
    lock.close()
    assert len(caplog.messages) == 1


async def test_nobody_waits_for_a_writer_that_hangs(
    hasty: Database, engine: Engine, path: databases.Database, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(engine)
    async with asyncio.timeout(5):
        await hasty.keep(one("in the batch"))
        await asyncio.gather(*(hasty.keep(one(f"{number:02}")) for number in range(50)))
        gate.open()
        assert await hasty.sweep() == 0  # behind what hung
        await hasty.keep(one("later"))
    assert caplog.messages[0].endswith("this process alone remembers them (the database is too slow)")
    assert digests_in(path) == ["in the batch", "later"]  # for the others it was too late
    assert gate.passed == 3


async def test_nobody_waits_for_readers_that_hang_and_they_are_few(
    hasty: Database, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(engine)
    async with asyncio.timeout(5):
        found = await asyncio.gather(*(hasty.find("alice", "work", ["k"]) for _ in range(50)))
        assert await hasty.find("alice", "work", ["k"]) is None
    assert found == [None] * 50
    assert (gate.passed, hasty._readers._work_queue.qsize()) == (4, 0)
    assert len(caplog.messages) == 1
    gate.open()
    async with asyncio.timeout(5):
        while await hasty.find("alice", "work", ["k"]) is None:
            pass


async def test_who_looks_up_waits_for_no_writer(patient: Database, engine: Engine, path: databases.Database) -> None:
    lock = holding_the_lock(path)
    keeping = asyncio.create_task(patient.keep(one("k")))
    async with asyncio.timeout(5):
        assert await patient.find("alice", "work", ["k"]) == {}
    lock.close()
    await keeping


async def test_a_sweep_that_fails_is_told(
    hasty: Database, path: databases.Database, caplog: pytest.LogCaptureFixture
) -> None:
    lock = holding_the_lock(path)
    assert await hasty.sweep() == 0
    lock.close()
    assert caplog.messages == [f"hidden turns cannot be stored: this process alone remembers them ({path.busy})"]


async def test_when_it_is_closed_no_thread_task_or_file_is_left(
    engine: Engine, clock: Clock, path: databases.Database
) -> None:
    database = Database(Turns(engine, clock), wait_seconds=5)
    await asyncio.gather(*(database.keep(one(digest)) for digest in "abc"))
    await asyncio.gather(*(database.find("alice", "work", [digest]) for digest in "abcdefgh"))
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("aibridge-recall")]
    assert len(threads) >= 2
    await database.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert [file.path for file in psutil.Process().open_files() if file.path.startswith(str(path))] == []


async def test_closing_waits_for_who_looks_up(engine: Engine, clock: Clock) -> None:
    database, gate = Database(Turns(engine, clock), wait_seconds=5), Gate(engine)
    async with asyncio.timeout(10):
        finding = asyncio.create_task(database.find("alice", "work", ["k"]))
        await gate.somebody_waits()
        closing = asyncio.create_task(database.close())
        await asyncio.wait([closing], timeout=0.05)
        assert not closing.done()
        gate.open()
        await closing
        assert await finding == {}


async def test_closing_waits_for_what_is_under_way_but_not_for_ever(
    engine: Engine, clock: Clock, path: databases.Database
) -> None:
    database = Database(Turns(engine, clock), wait_seconds=0.05)
    gate = Gate(engine)
    async with asyncio.timeout(5):
        keeping = asyncio.create_task(database.keep(one("k")))
        await gate.somebody_waits()
        await database.close()
        gate.open()
        await keeping
    for thread in threading.enumerate():
        if thread.name.startswith("aibridge-recall"):
            thread.join(5)
    assert digests_in(path) == ["k"]
