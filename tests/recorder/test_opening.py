"""The recorder from its opening to its end, and past the sudden death of its process."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import pytest

from aibridge.errors import Unavailable
from aibridge.model import TokenUsage
from aibridge.recorder import Recorder, open_recorder
from aibridge.store.engine import StoreError
from tests.databases import Database
from tests.recorder.parts import DONE, Clock, Pauses, an_interception, holding_the_lock, one, query


@pytest.fixture
def url(path: Database) -> str:
    return path.url


async def serve(recorder: Recorder, name: str) -> None:
    it = an_interception(id=name)
    await recorder.start(it)
    await recorder.record(it, TokenUsage("r", 1, 1))
    await recorder.finish(it, DONE)


async def test_from_nothing_to_a_record(url: str, path: Database) -> None:
    async with open_recorder(url) as recorder:
        await serve(recorder, "i")
        assert one(path, "interceptions")["instance_id"] == one(path, "instances")["id"]
    assert one(path, "interceptions")["status"] == "completed"
    assert one(path, "token_usages")["interception_id"] == "i"
    assert query(path, "SELECT * FROM aibridge_instances") == []


async def test_opening_again_goes_on(url: str, path: Database) -> None:
    for name in ("a", "b"):
        async with open_recorder(url) as recorder:
            await serve(recorder, name)
    assert [row["id"] for row in query(path, "SELECT id FROM aibridge_interceptions ORDER BY id")] == ["a", "b"]


async def test_an_error_inside_comes_out_as_it_is_and_loses_nothing(url: str, path: Database) -> None:
    async def fail() -> None:
        async with open_recorder(url) as recorder:
            await serve(recorder, "i")
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await fail()
    assert one(path, "interceptions")["status"] == "completed"


async def test_after_the_end_it_refuses(url: str) -> None:
    async with open_recorder(url) as recorder:
        pass
    with pytest.raises(Unavailable, match="closed"):
        await recorder.start(an_interception())


async def test_at_the_end_its_heart_stands_still(url: str) -> None:
    async with open_recorder(url):
        assert len(asyncio.all_tasks()) == 3  # this test, the writer, the heart
    await asyncio.sleep(0)  # lets what was cancelled come to its end
    assert len(asyncio.all_tasks()) == 1


async def test_two_recorders_share_a_database(url: str, path: Database) -> None:
    async with asyncio.timeout(30), open_recorder(url) as one_, open_recorder(url) as other:
        await asyncio.gather(
            *(serve(recorder, f"{i}{n}") for n, recorder in enumerate((one_, other)) for i in range(50))
        )
    ended = query(path, "SELECT count(*) AS n FROM aibridge_interceptions WHERE status = 'completed'")
    assert ended == [{"n": 100}]


async def test_it_says_that_it_lives(url: str, path: Database, clock: Clock, pauses: Pauses) -> None:
    async with asyncio.timeout(10), open_recorder(url, now=clock, sleep=pauses):
        for beat in range(2):
            await pauses.began.wait()
            assert one(path, "instances")["heartbeat_at"] == f"2026-11-20 12:00:{beat * 10:02}.000000"
            clock.advance(10)
            pauses.end()
        await pauses.began.wait()
        assert one(path, "instances")["heartbeat_at"] == "2026-11-20 12:00:20.000000"
    assert pauses.asked == [10.0] * 3


async def test_a_heart_misses_a_beat_and_goes_on(url: str, path: Database, clock: Clock, pauses: Pauses) -> None:
    async with asyncio.timeout(20), open_recorder(url, now=clock, sleep=pauses) as recorder:
        await pauses.began.wait()
        lock = holding_the_lock(path)
        pauses.end()
        await pauses.began.wait()
        assert not recorder.healthy()
        lock.close()
        pauses.end()
        await pauses.began.wait()
        assert recorder.healthy()


async def test_another_machines_dead_are_noticed_while_it_runs(
    url: str, path: Database, clock: Clock, pauses: Pauses
) -> None:
    async with asyncio.timeout(10), open_recorder(url, now=clock, sleep=pauses) as recorder:
        query(path, "INSERT INTO aibridge_instances VALUES ('far', 'elsewhere', 1, ?, ?)", *["2026-11-20 12:00:00"] * 2)
        await recorder.start(an_interception(id="mine"))
        await recorder.start(an_interception(id="theirs"))
        query(path, "UPDATE aibridge_interceptions SET instance_id = 'far' WHERE id = 'theirs'")
        for _ in range(7):
            await pauses.began.wait()
            clock.advance(10)
            pauses.end()
        await pauses.began.wait()
    rows = query(path, "SELECT id, status FROM aibridge_interceptions ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [("mine", None), ("theirs", "crashed")]


async def test_settings_reach_it(url: str, path: Database, clock: Clock) -> None:
    async with asyncio.timeout(20), open_recorder(url, queue_size=1, start_seconds=0.05, now=clock) as recorder:
        lock = holding_the_lock(path)
        with pytest.raises(Unavailable, match=r"0\.05 s"):
            await recorder.start(an_interception())
        lock.close()
        await recorder.flush()


async def test_a_database_that_stays_locked_ends_no_later_than_it_may(
    url: str, path: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(10):
        async with open_recorder(url, close_seconds=0.1) as recorder:
            it = an_interception()
            await recorder.start(it)
            lock = holding_the_lock(path)
            await recorder.finish(it, DONE)
        lock.close()
    assert "1 records are lost" in caplog.text


async def test_a_database_that_cannot_be_used_is_told(tmp_path: Database) -> None:
    with pytest.raises(StoreError, match="make the directory"):
        async with open_recorder(f"sqlite:///{tmp_path}/no/a.db"):
            pass


async def test_a_database_that_is_locked_at_the_start_is_told(url: str, path: Database) -> None:
    async with open_recorder(url):
        pass
    lock = holding_the_lock(path)
    with pytest.raises(StoreError, match=f"cannot be written: {path.busy}$"):
        async with asyncio.timeout(10), open_recorder(url):
            pass
    lock.close()
    async with open_recorder(url) as recorder:
        await serve(recorder, "i")


@pytest.mark.only_on("sqlite")
async def test_a_lock_that_cannot_be_kept_is_told(url: str, tmp_path: Path) -> None:
    (tmp_path / "a.db-instances").touch()  # a file where the directory belongs
    with pytest.raises(StoreError, match=r"a\.db-instances cannot be written"):
        async with open_recorder(url):
            pass


# Sudden death. The child says `started` once a start has returned; then it is killed.

CHILD = """
import asyncio, sys
from aibridge.recorder import open_recorder
from tests.recorder.parts import DONE, an_interception

async def main():
    async with open_recorder(sys.argv[1]) as recorder:
        done, open_ = an_interception(id="done"), an_interception(id="open")
        await recorder.start(done)
        await recorder.finish(done, DONE)
        await recorder.flush()
        await recorder.start(open_)
        print("started", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def a_child(url: str) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, url, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    assert await child.stdout.readline() == b"started\n"
    return child


async def test_a_killed_process_leaves_its_starts_and_the_next_one_ends_them(url: str, path: Database) -> None:
    async with asyncio.timeout(60):
        child = await a_child(url)
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        statuses = "SELECT id, status FROM aibridge_interceptions ORDER BY id"
        assert [tuple(row.values()) for row in query(path, statuses)] == [("done", "completed"), ("open", None)]
        async with open_recorder(url):
            assert [tuple(row.values()) for row in query(path, statuses)] == [
                ("done", "completed"),
                ("open", "crashed"),
            ]
            assert len(query(path, "SELECT * FROM aibridge_instances")) == 1


async def test_a_living_process_keeps_what_it_serves(url: str, path: Database) -> None:
    async with asyncio.timeout(60):
        child = await a_child(url)
        async with open_recorder(url):
            assert len(query(path, "SELECT * FROM aibridge_instances")) == 2
            [row] = query(path, "SELECT status FROM aibridge_interceptions WHERE id = 'open'")
            assert row == {"status": None}
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()


KILLED_AT_WORK = """
import asyncio, sys
from aibridge.recorder import open_recorder
from tests.recorder.parts import DONE, an_interception

async def serve(recorder):
    while True:
        it = an_interception()
        await recorder.start(it)
        print(it.id, flush=True)
        await recorder.finish(it, DONE)

async def main():
    async with open_recorder(sys.argv[1]) as recorder:
        await asyncio.gather(*(serve(recorder) for _ in range(8)))

asyncio.run(main())
"""


async def test_killed_in_the_midst_of_work_every_accepted_request_has_a_start_and_an_end(
    url: str, path: Database
) -> None:
    pipe = asyncio.subprocess.PIPE
    async with asyncio.timeout(60):
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_AT_WORK, url, stdout=pipe)
        assert child.stdout is not None
        accepted = [await child.stdout.readline() for _ in range(200)]
        os.kill(child.pid, signal.SIGKILL)
        accepted += [line async for line in child.stdout if line.endswith(b"\n")]
        await child.wait()
        async with open_recorder(url):
            rows = query(path, "SELECT id, status FROM aibridge_interceptions")
    assert {line.decode().strip() for line in accepted} <= {row["id"] for row in rows}
    assert {row["status"] for row in rows} <= {"completed", "crashed"}
    if path.kind == "sqlite":
        assert query(path, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


async def test_a_normal_life_says_nothing(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "aibridge"):
        async with open_recorder(url) as recorder:
            await serve(recorder, "i")
    assert [record for record in caplog.records if record.name.startswith("aibridge")] == []
