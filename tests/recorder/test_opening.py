"""The recorder from its opening to its end, and past the sudden death of its process."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from aibridge.errors import Unavailable
from aibridge.model import TokenUsage
from aibridge.recorder import Recorder, open_recorder
from aibridge.store.engine import StoreError
from tests.databases import Database
from tests.recorder.parts import DONE, Clock, Pauses, an_interception, one

Open = Callable[..., AbstractAsyncContextManager[Recorder]]


@pytest.fixture
def opened(database: Database, spool_dir: Path) -> Open:
    return partial(open_recorder, database.url, spool_dir=spool_dir)


Where = tuple[str, Path]


@pytest.fixture
def where(database: Database, spool_dir: Path) -> Where:
    """For a process of its own."""
    return database.url, spool_dir


async def serve(recorder: Recorder, name: str) -> None:
    it = an_interception(id=name)
    await recorder.start(it)
    await recorder.record(it, TokenUsage("r", 1, 1))
    await recorder.finish(it, DONE)


def spool_files(directory: Path) -> list[Path]:
    return list(directory.glob("*.spool"))


async def test_from_nothing_to_a_record(empty_database: Database, spool_dir: Path) -> None:
    database = empty_database
    async with open_recorder(database.url, spool_dir=spool_dir) as recorder:
        await serve(recorder, "i")
        await recorder.flush()
        assert one(database, "interceptions")["instance_id"] == one(database, "instances")["id"]
    assert one(database, "interceptions")["status"] == "completed"
    assert one(database, "token_usages")["interception_id"] == "i"
    assert database.query("SELECT * FROM aibridge_instances") == []


async def test_opening_again_goes_on(opened: Open, database: Database) -> None:
    for name in ("a", "b"):
        async with opened() as recorder:
            await serve(recorder, name)
    assert [row["id"] for row in database.query("SELECT id FROM aibridge_interceptions ORDER BY id")] == ["a", "b"]


@pytest.mark.only_on("sqlite")
async def test_beside_a_file_is_its_spool(database: Database, spool_dir: Path) -> None:
    async with open_recorder(database.url) as recorder:
        await serve(recorder, "i")
        assert spool_files(spool_dir)
    assert spool_files(spool_dir) == []


async def test_an_error_inside_comes_out_as_it_is_and_loses_nothing(opened: Open, database: Database) -> None:
    async def fail() -> None:
        async with opened() as recorder:
            await serve(recorder, "i")
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await fail()
    assert one(database, "interceptions")["status"] == "completed"


async def test_after_the_end_it_refuses(opened: Open) -> None:
    async with opened() as recorder:
        pass
    with pytest.raises(Unavailable, match="closed"):
        await recorder.start(an_interception())


async def test_at_the_end_its_heart_stands_still(opened: Open) -> None:
    async with opened():
        assert len(asyncio.all_tasks()) == 4  # this test, the writer, the drain, the heart
    await asyncio.sleep(0)  # lets what was cancelled come to its end
    assert len(asyncio.all_tasks()) == 1


async def test_two_recorders_share_a_database(opened: Open, database: Database) -> None:
    async with asyncio.timeout(30), opened() as one_, opened() as other:
        await asyncio.gather(
            *(serve(recorder, f"{i}{n}") for n, recorder in enumerate((one_, other)) for i in range(50))
        )
    ended = database.query("SELECT count(*) AS n FROM aibridge_interceptions WHERE status = 'completed'")
    assert ended == [{"n": 100}]


async def test_it_says_that_it_lives(opened: Open, database: Database, clock: Clock, pauses: Pauses) -> None:
    async with asyncio.timeout(10), opened(now=clock, sleep=pauses):
        for beat in range(2):
            await pauses.began.wait()
            assert one(database, "instances")["heartbeat_at"] == f"2026-11-20 12:00:{beat * 10:02}.000000"
            clock.advance(10)
            pauses.end()
        await pauses.began.wait()
        assert one(database, "instances")["heartbeat_at"] == "2026-11-20 12:00:20.000000"
    assert pauses.asked == [10.0] * 3


async def test_a_heart_misses_a_beat_and_goes_on(
    opened: Open, database: Database, clock: Clock, pauses: Pauses
) -> None:
    async with asyncio.timeout(20), opened(now=clock, sleep=pauses) as recorder:
        await pauses.began.wait()
        lock = database.hold()
        pauses.end()
        await pauses.began.wait()
        assert recorder.healthy()  # what it takes is safe in the spool
        assert recorder.report().startswith(f"degraded: the database takes no records ({database.busy}); 0 records")
        lock.close()
        pauses.end()
        await pauses.began.wait()
        assert recorder.report() == "ok"


async def test_another_machines_dead_are_noticed_while_it_runs(
    opened: Open, database: Database, clock: Clock, pauses: Pauses
) -> None:
    async with asyncio.timeout(10), opened(now=clock, sleep=pauses) as recorder:
        database.query(
            "INSERT INTO aibridge_instances VALUES ('far', 'elsewhere', 1, ?, ?)", *["2026-11-20 12:00:00"] * 2
        )
        await recorder.start(an_interception(id="mine"))
        await recorder.start(an_interception(id="theirs"))
        await recorder.flush()
        database.query("UPDATE aibridge_interceptions SET instance_id = 'far' WHERE id = 'theirs'")
        for _ in range(7):
            await pauses.began.wait()
            clock.advance(10)
            pauses.end()
        await pauses.began.wait()
    rows = database.query("SELECT id, status FROM aibridge_interceptions ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [("mine", None), ("theirs", "crashed")]


async def test_settings_reach_it(opened: Open, tmp_path: Path) -> None:
    lost: list[int] = []
    where = tmp_path / "elsewhere"
    async with opened(spool_dir=where, spool_max_bytes=1, when_full="drop_and_count", dropped=lost.append) as recorder:
        await serve(recorder, "kept")
        await serve(recorder, "dropped")
        assert recorder.report() == f"not recording: the spool {where} is full (recorder.spool_max_bytes: 1)"
        assert recorder.healthy()  # that is how it is meant to be
        assert list(where.glob("*.spool"))
    assert lost == [1, 1, 1]
    assert [file.name for file in where.iterdir()] == ["database"]


@pytest.mark.only_on("sqlite")
async def test_a_spool_serves_one_database(opened: Open, tmp_path: Path) -> None:
    where = tmp_path / "elsewhere"
    for _ in range(2):
        async with opened(spool_dir=where):
            pass
    with pytest.raises(StoreError, match=r"belongs to the database .*a\.db, and not to .*b\.db: name another recorder"):
        async with open_recorder(f"sqlite:///{tmp_path}/b.db", spool_dir=where):
            pass
    (where / "database").unlink()
    (where / "database").mkdir()
    with pytest.raises(StoreError, match="elsewhere cannot be used"):
        async with opened(spool_dir=where):
            pass


async def test_a_database_that_stays_locked_keeps_nobody_and_loses_nothing(
    opened: Open, database: Database, spool_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(10):
        async with opened(close_seconds=0.1) as recorder:
            lock = database.hold()
            await serve(recorder, "i")
        lock.close()
        assert "3 records are not in the database" in caplog.text
        assert database.query("SELECT * FROM aibridge_interceptions") == []
        async with opened():
            assert one(database, "interceptions")["status"] == "completed"
            assert one(database, "token_usages")["interception_id"] == "i"
        assert spool_files(spool_dir) == []


async def test_while_the_database_is_away_traffic_goes_on(opened: Open, database: Database) -> None:
    async with asyncio.timeout(20), opened() as recorder:
        lock = database.hold()
        await asyncio.gather(*(serve(recorder, str(number)) for number in range(100)))
        lock.close()
        await recorder.flush()
        assert recorder.spooled == 0
        ended = database.query("SELECT count(*) AS n FROM aibridge_interceptions WHERE status = 'completed'")
    assert ended == [{"n": 100}]


async def test_a_database_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="make the directory"):
        async with open_recorder(f"sqlite:///{tmp_path}/no/a.db"):
            pass


async def test_a_database_that_is_locked_at_the_start_is_told(opened: Open, database: Database) -> None:
    async with opened():
        pass
    lock = database.hold()
    with pytest.raises(StoreError, match=f"cannot be written: {database.busy}"):
        async with asyncio.timeout(10), opened():
            pass
    lock.close()
    async with opened() as recorder:
        await serve(recorder, "i")


async def test_a_spool_that_cannot_be_kept_is_told(opened: Open) -> None:
    with pytest.raises(StoreError, match="null cannot be written"):
        async with opened(spool_dir=Path(os.devnull)):
            pass


@pytest.mark.only_on("sqlite")
async def test_a_lock_that_cannot_be_kept_is_told(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "a.db-instances").touch()  # a file where the directory belongs
    with pytest.raises(StoreError, match=r"a\.db-instances cannot be written"):
        async with opened():
            pass


# Sudden death. The child says `started` once a start has returned; then it is killed.

CHILD = """
import asyncio, sys
from pathlib import Path
from aibridge.recorder import open_recorder
from tests.recorder.parts import DONE, an_interception

async def main():
    async with open_recorder(sys.argv[1], spool_dir=Path(sys.argv[2])) as recorder:
        done, open_ = an_interception(id="done"), an_interception(id="open")
        await recorder.start(done)
        await recorder.finish(done, DONE)
        await recorder.flush()
        await recorder.start(open_)
        print("started", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def a_child(where: Where) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, *where, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    assert await child.stdout.readline() == b"started\n"
    return child


async def test_a_killed_process_leaves_its_starts_and_the_next_one_ends_them(
    opened: Open, where: Where, database: Database
) -> None:
    async with asyncio.timeout(60):
        child = await a_child(where)
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        statuses = "SELECT id, status FROM aibridge_interceptions ORDER BY id"
        assert [tuple(row.values()) for row in database.query(statuses)] == [
            ("done", "completed")
        ]  # the rest is spooled
        async with opened():
            assert [tuple(row.values()) for row in database.query(statuses)] == [
                ("done", "completed"),
                ("open", "crashed"),
            ]
            assert len(database.query("SELECT * FROM aibridge_instances")) == 1


async def test_a_living_process_keeps_what_it_serves(opened: Open, where: Where, database: Database) -> None:
    async with asyncio.timeout(60):
        child = await a_child(where)
        async with opened():
            assert len(database.query("SELECT * FROM aibridge_instances")) == 2
            open_ones = "SELECT status FROM aibridge_interceptions WHERE id = 'open' AND ended_at IS NULL"
            await database.recorded(1, open_ones)
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()


KILLED_AT_WORK = """
import asyncio, sys
from pathlib import Path
from aibridge.recorder import open_recorder
from tests.recorder.parts import DONE, an_interception

async def serve(recorder):
    while True:
        it = an_interception()
        await recorder.start(it)
        print(it.id, flush=True)
        await recorder.finish(it, DONE)

async def main():
    async with open_recorder(sys.argv[1], spool_dir=Path(sys.argv[2])) as recorder:
        await asyncio.gather(*(serve(recorder) for _ in range(8)))

asyncio.run(main())
"""


async def test_killed_in_the_midst_of_work_every_accepted_request_has_a_start_and_an_end(
    opened: Open, where: Where, database: Database
) -> None:
    pipe = asyncio.subprocess.PIPE
    async with asyncio.timeout(60):
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_AT_WORK, *where, stdout=pipe)
        assert child.stdout is not None
        accepted = [await child.stdout.readline() for _ in range(200)]
        os.kill(child.pid, signal.SIGKILL)
        accepted += [line async for line in child.stdout if line.endswith(b"\n")]
        await child.wait()
        async with opened():
            rows = database.query("SELECT id, status FROM aibridge_interceptions")
    assert {line.decode().strip() for line in accepted} <= {row["id"] for row in rows}
    assert {row["status"] for row in rows} <= {"completed", "crashed"}
    if database.kind == "sqlite":
        assert database.query("PRAGMA integrity_check") == [{"integrity_check": "ok"}]


async def test_a_normal_life_says_nothing(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "aibridge"):
        async with opened() as recorder:
            await serve(recorder, "i")
    assert [record for record in caplog.records if record.name.startswith("aibridge")] == []
