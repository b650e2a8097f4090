"""From the spool to the database, in order, once, however long the database is away."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from aibridge.model import PromptRecord
from aibridge.recorder.batch import Batch
from aibridge.recorder.drain import Drain
from aibridge.recorder.rows import Kind, Row, end_row, interception_row, record_row
from aibridge.recorder.writer import Writer
from tests.databases import Database
from tests.recorder.parts import (
    DONE,
    NOON,
    Pauses,
    SickSpool,
    Statements,
    an_interception,
    one,
)
from tests.waiting import eventually


def prompt_row(name: str, text: str) -> Row:
    return record_row(an_interception(id=name), PromptRecord(text, None), "full", NOON)[1]


async def begin(writer: Writer, name: str) -> None:
    await writer.begin(interception_row(an_interception(id=name), "me"))


def end(writer: Writer, name: str) -> None:
    writer.put_now(Kind.END, end_row(name, DONE, NOON))


def ids(database: Database) -> list[str]:
    return [row["id"] for row in database.query("SELECT id FROM aibridge_interceptions ORDER BY id")]


@pytest.mark.only_on("sqlite")
async def test_a_start_is_soon_in_the_database(
    writer: Writer, drain: Drain, statements: Statements, database: Database
) -> None:
    committed = statements.signal("COMMIT")
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        await begin(writer, "i")
        began = loop.time()
        await committed.wait()
    assert 0.1 < loop.time() - began < 0.5
    await drain.flush()
    assert ids(database) == ["i"]


@pytest.mark.only_on("sqlite")
async def test_what_comes_together_shares_one_commit(
    writer: Writer, drain: Drain, statements: Statements, database: Database
) -> None:
    commits: list[None] = []
    statements.before("COMMIT", lambda: commits.append(None))
    async with asyncio.timeout(5):
        for number in range(20):
            await begin(writer, f"{number:02}")
            end(writer, f"{number:02}")
        await writer.flush()
        await drain.flush()
    assert ids(database) == [f"{number:02}" for number in range(20)]
    assert len(commits) <= 2


async def test_what_is_in_the_database_leaves_the_disk(writer: Writer, drain: Drain, spool: SickSpool) -> None:
    async with asyncio.timeout(5):
        await begin(writer, "i")
        assert spool.rows == 1
        await drain.flush()
    assert (spool.rows, spool.bytes) == (0, 0)
    [next_one] = spool.directory.iterdir()
    assert not any(next_one.read_bytes())


@pytest.mark.only_on("sqlite")
async def test_much_takes_several_transactions(
    writer: Writer, drain: Drain, statements: Statements, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aibridge.recorder.intake._ROWS", 500)
    commits: list[None] = []
    statements.before("COMMIT", lambda: commits.append(None))
    async with asyncio.timeout(10):
        await begin(writer, "i")
        for number in range(2000):
            writer.put_now(Kind.PROMPT, prompt_row("i", str(number)))
        await writer.flush()
        await drain.flush()
    written = database.query("SELECT prompt FROM aibridge_user_prompts ORDER BY rowid")
    assert [row["prompt"] for row in written] == [str(number) for number in range(2000)]
    assert 3 <= len(commits) <= 5


async def test_a_locked_database_is_waited_for(
    writer: Writer, drain: Drain, pauses: Pauses, database: Database, spool_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lock = database.hold()
    async with asyncio.timeout(10):
        await begin(writer, "a")
        for number in range(7):
            await pauses.began.wait()
            assert drain.trouble == database.busy
            await begin(writer, str(number))  # traffic goes on
            pauses.end()
        await pauses.began.wait()
        lock.close()
        pauses.end()
        await drain.flush()
    assert ids(database) == [*"0123456", "a"]
    assert pauses.asked == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
    assert drain.trouble is None
    assert caplog.messages == [
        f"the database takes no records ({database.busy}): they wait in {spool_dir}",
        "the database takes records again",
    ]


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("sick", "well", "said"),
    [
        ("PRAGMA query_only = 1", "PRAGMA query_only = 0", "attempt to write a readonly database"),
        ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000", "database or disk is full"),
    ],
    ids=["read-only", "full"],
)
async def test_a_database_that_refuses_is_waited_for(
    writer: Writer, drain: Drain, engine: Engine, pauses: Pauses, database: Database, sick: str, well: str, said: str
) -> None:
    state = [well]
    event.listen(engine, "checkout", lambda connection, *_: connection.execute(state[0]).close())
    big = "x" * 100_000  # needs pages of its own
    async with asyncio.timeout(10):
        await begin(writer, "i")
        await drain.flush()
        state[0] = sick
        writer.put_now(Kind.PROMPT, prompt_row("i", big))
        end(writer, "i")
        await pauses.began.wait()
        assert drain.trouble == said
        assert one(database, "interceptions")["status"] is None
        state[0] = well
        pauses.end()
        await drain.flush()
    assert one(database, "user_prompts")["prompt"] == big
    assert one(database, "interceptions")["status"] == "completed"


async def test_after_a_commit_whose_success_was_not_seen_nothing_is_doubled(
    writer: Writer, drain: Drain, pauses: Pauses, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Batch.write

    def write_and_fail(*args: Any) -> None:
        write(*args)
        raise ConnectionResetError

    async with asyncio.timeout(10):
        with monkeypatch.context() as patch:
            patch.setattr(Batch, "write", write_and_fail)
            await begin(writer, "i")
            writer.put_now(Kind.PROMPT, prompt_row("i", "?"))
            end(writer, "i")
            await pauses.began.wait()
        assert one(database, "user_prompts")["prompt"] == "?"
        pauses.end()
        await drain.flush()
    assert one(database, "user_prompts")["prompt"] == "?"
    assert one(database, "interceptions")["status"] == "completed"


async def test_a_file_that_cannot_be_deleted_holds_nothing_up(
    writer: Writer, drain: Drain, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    async with asyncio.timeout(10):
        await begin(writer, "a")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", refuse)
            await drain.flush()
        await begin(writer, "b")
        await drain.flush()
    assert ids(database) == ["a", "b"]
    assert "is in the database and cannot be deleted (Permission denied)" in caplog.text


async def test_a_file_that_is_damaged_is_put_aside(
    writer: Writer, drain: Drain, spool: SickSpool, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(10):
        for name in ("a", "b", "c"):
            await begin(writer, name)
        [file] = spool.directory.glob("*.spool")
        data = bytearray(file.read_bytes())
        data[spool.bytes // 2] ^= 1
        file.write_bytes(data)
        await drain.flush()
        assert ids(database) == ["a"]
        [aside] = spool.directory.glob("*.damaged")
        assert aside.read_bytes() == bytes(data)
        assert f"is kept as {aside}" in caplog.text
        await begin(writer, "d")
        await drain.flush()
    assert ids(database) == ["a", "d"]


async def test_a_file_that_is_still_open_is_read_part_by_part_and_goes_when_all_is_quiet(
    writer: Writer, drain: Drain, spool: SickSpool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aibridge.recorder.drain._QUIET_SECONDS", 0.05)
    async with asyncio.timeout(10):
        for name in ("a", "b"):
            await begin(writer, name)
            await database.recorded(1, "SELECT id FROM aibridge_interceptions WHERE id = ?", name)
        [file] = spool.directory.glob("*.000000.spool")
        await eventually(lambda: not file.exists())
    assert ids(database) == ["a", "b"]
    assert spool.bytes == 0


async def test_of_a_file_with_a_damaged_part_the_rest_is_read_and_it_is_put_aside(
    writer: Writer, drain: Drain, spool: SickSpool, database: Database
) -> None:
    intake = drain._intake
    async with asyncio.timeout(10):
        drain._task.cancel()  # the parts are taken by hand
        for name in ("a", "b"):
            await begin(writer, name)
        [part] = await writer.fresh()
        data = bytearray(part.path.read_bytes())
        data[20] ^= 1
        part.path.write_bytes(data)
        await asyncio.to_thread(intake.take_in, part)
        await begin(writer, "c")
        for part in await writer.seal():
            await asyncio.to_thread(intake.take_in, part)
    assert ids(database) == ["c"]
    [aside] = spool.directory.glob("*.damaged")
    assert aside.name.endswith(".000000.damaged")


async def test_a_file_that_is_gone_holds_nothing_up(
    writer: Writer, drain: Drain, spool: SickSpool, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(10):
        await begin(writer, "a")
        for file in spool.directory.glob("*.spool"):
            file.unlink()
        await drain.flush()
        await begin(writer, "b")
        await drain.flush()
    assert ids(database) == ["b"]
    assert "records are missing" in caplog.text


async def test_a_row_that_the_database_takes_in_no_way_is_counted(
    writer: Writer, drain: Drain, database: Database, lost: list[int]
) -> None:
    async with asyncio.timeout(10):
        await begin(writer, "i")
        writer.put_now(Kind.PROMPT, prompt_row("nobody", "?"))
        await writer.flush()
        await drain.flush()
        await asyncio.sleep(0)
    assert ids(database) == ["i"]
    assert lost == [1]


async def test_a_job_has_a_transaction_of_its_own(drain: Drain, database: Database) -> None:
    await drain.run(lambda connection: connection.exec_driver_sql("CREATE TABLE mine (a integer)").close())
    with pytest.raises(ZeroDivisionError):
        await drain.run(lambda connection: [connection.exec_driver_sql("INSERT INTO mine VALUES (1)"), 1 / 0])
    assert drain.trouble == "ZeroDivisionError"
    assert database.query("SELECT * FROM mine") == []
    assert await drain.run(lambda connection: connection.exec_driver_sql("SELECT 7").scalar()) == 7
    assert drain.trouble is None
