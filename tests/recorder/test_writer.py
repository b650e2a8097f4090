"""The queue: batches, order, back-pressure, and a database in trouble."""

import asyncio
import logging
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from aibridge.errors import Unavailable
from aibridge.model import PromptRecord
from aibridge.recorder.batch import Waiter
from aibridge.recorder.rows import Kind, Row, end_row, interception_row, record_row
from aibridge.recorder.writer import Writer
from tests.databases import Database
from tests.recorder.parts import DONE, NOON, Clock, Pauses, Statements, an_interception, holding_the_lock, one, query


def start_row(name: str) -> Row:
    return interception_row(an_interception(id=name), "me")


def prompt_row(name: str, text: str) -> Row:
    return record_row(name, PromptRecord(text, None), "full", NOON)[1]


def a_waiter() -> Waiter:
    return asyncio.get_running_loop().create_future()


def begin(writer: Writer, name: str) -> Waiter:
    waiter = a_waiter()
    writer.put_now(Kind.INTERCEPTION, start_row(name), waiter)
    return waiter


def ids(path: Database) -> list[str]:
    return [row["id"] for row in query(path, "SELECT id FROM aibridge_interceptions ORDER BY id")]


def nothing(connection: Connection) -> None: ...


async def test_a_waiter_is_woken_when_a_second_connection_sees_the_row(writer: Writer, path: Database) -> None:
    async with asyncio.timeout(5):
        await begin(writer, "i")
    assert ids(path) == ["i"]
    assert writer.depth == 0


@pytest.mark.only_on("sqlite")
async def test_many_starts_share_few_commits(writer: Writer, statements: Statements, path: Database) -> None:
    commits: list[None] = []
    statements.before("COMMIT", lambda: commits.append(None))
    async with asyncio.timeout(5):
        await asyncio.gather(*(begin(writer, f"i{number:03}") for number in range(100)))
    assert 1 <= len(commits) <= 3
    assert ids(path) == [f"i{number:03}" for number in range(100)]


@pytest.mark.only_on("sqlite")
async def test_the_next_batch_gathers_while_one_is_written(writer: Writer, statements: Statements) -> None:
    begun, may_go_on = statements.signal("BEGIN"), statements.hold("BEGIN")
    commits: list[None] = []
    statements.before("COMMIT", lambda: commits.append(None))
    async with asyncio.timeout(5):
        first = begin(writer, "first")
        await begun.wait()
        others = [begin(writer, f"i{number}") for number in range(50)]
        assert (writer.depth, commits) == (51, [])
        may_go_on.set()
        await asyncio.gather(first, *others)
    assert len(commits) == 2


@pytest.mark.only_on("sqlite")
async def test_starts_that_come_soon_after_a_commit_share_the_next(
    writer: Writer, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aibridge.recorder.writer.REST_SECONDS", 0.1)
    commits: list[None] = []
    statements.before("COMMIT", lambda: commits.append(None))
    async with asyncio.timeout(5):
        await begin(writer, "first")
        later = []
        for number in range(5):
            later.append(begin(writer, f"i{number}"))
            await asyncio.sleep(0)
        await asyncio.gather(*later)
    assert len(commits) == 2


async def test_a_start_is_not_held_up_by_what_lingers(writer: Writer, path: Database) -> None:
    async with asyncio.timeout(5):
        await begin(writer, "i")
        await writer.put(Kind.END, end_row("i", DONE, NOON))
        await begin(writer, "j")
        assert ids(path) == ["i", "j"]
        assert query(path, "SELECT status FROM aibridge_interceptions WHERE id = 'i'") == [{"status": None}]
        await writer.flush()
    assert query(path, "SELECT status FROM aibridge_interceptions WHERE id = 'i'") == [{"status": "completed"}]


async def test_what_lingers_is_not_held_up_by_starts(writer: Writer, path: Database) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        await begin(writer, "i")
        await writer.put(Kind.END, end_row("i", DONE, NOON))
        taken, number = loop.time(), 0
        while query(path, "SELECT status FROM aibridge_interceptions WHERE id = 'i'") == [{"status": None}]:
            await begin(writer, f"j{number}")
            number += 1
    assert loop.time() - taken < 1  # so long after its end an interception is to be seen whole
    assert number > 1


@pytest.mark.only_on("sqlite")
async def test_what_nobody_waits_for_lingers_and_is_written_too(
    writer: Writer, statements: Statements, path: Database
) -> None:
    async with asyncio.timeout(5):
        await begin(writer, "i")
        committed = statements.signal("COMMIT")
        await writer.put(Kind.END, end_row("i", DONE, NOON))
        assert one(path, "interceptions")["status"] is None
        await committed.wait()
        await begin(writer, "j")  # after the commit that was about to happen
    assert query(path, "SELECT status FROM aibridge_interceptions WHERE id = 'i'") == [{"status": "completed"}]


@pytest.mark.only_on("sqlite")
async def test_much_of_it_does_not_linger(
    engine: Engine, statements: Statements, clock: Clock, path: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aibridge.recorder.writer.LINGER_SECONDS", 3600)
    writer = Writer(engine, size=10_000, now=clock)
    async with asyncio.timeout(10):
        await begin(writer, "i")
        committed = statements.signal("COMMIT")
        for number in range(500):
            await writer.put(Kind.PROMPT, prompt_row("i", str(number)))
        await committed.wait()
        await writer.close(5, nothing)
    written = query(path, "SELECT prompt FROM aibridge_user_prompts ORDER BY rowid")
    assert [row["prompt"] for row in written] == [str(number) for number in range(500)]


async def test_a_full_queue_makes_its_callers_wait(writer: Writer, pauses: Pauses, path: Database) -> None:
    async with asyncio.timeout(10):
        await begin(writer, "i")
        lock = holding_the_lock(path)
        for number in range(4):
            await writer.put(Kind.PROMPT, prompt_row("i", str(number)))
        blocked = [asyncio.create_task(writer.put(Kind.PROMPT, prompt_row("i", text))) for text in ("4", "5")]
        await pauses.began.wait()
        assert writer.depth == 4
        assert not any(task.done() for task in blocked)
        lock.close()
        pauses.end()
        await asyncio.gather(*blocked)
        await writer.flush()
    written = query(path, "SELECT prompt FROM aibridge_user_prompts ORDER BY rowid")
    assert "".join(row["prompt"] for row in written) == "012345"


async def test_a_start_finds_room_in_a_full_queue(writer: Writer, pauses: Pauses, path: Database) -> None:
    async with asyncio.timeout(10):
        await begin(writer, "i")
        lock = holding_the_lock(path)
        for number in range(4):
            await writer.put(Kind.PROMPT, prompt_row("i", str(number)))
        waiter = begin(writer, "j")
        await pauses.began.wait()
        lock.close()
        pauses.end()
        await waiter
    assert ids(path) == ["i", "j"]


async def test_a_locked_database_is_waited_for(
    writer: Writer, pauses: Pauses, path: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lock = holding_the_lock(path)
    waiters = [begin(writer, name) for name in ("a", "b")]
    async with asyncio.timeout(10):
        for _ in range(7):
            await pauses.began.wait()
            assert not writer.healthy()
            pauses.end()
        await pauses.began.wait()
        lock.close()
        pauses.end()
        await asyncio.gather(*waiters)
    assert ids(path) == ["a", "b"]
    assert pauses.asked == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
    assert writer.healthy()
    assert caplog.messages == [
        f"the database takes no records ({path.busy}): 2 wait and are tried again",
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
    writer: Writer,
    engine: Engine,
    pauses: Pauses,
    path: Database,
    caplog: pytest.LogCaptureFixture,
    sick: str,
    well: str,
    said: str,
) -> None:
    state = [well]
    event.listen(engine, "checkout", lambda connection, *_: connection.execute(state[0]).close())
    big = "x" * 100_000  # needs pages of its own
    async with asyncio.timeout(10):
        await begin(writer, "i")
        state[0] = sick
        await writer.put(Kind.PROMPT, prompt_row("i", big))
        await writer.put(Kind.END, end_row("i", DONE, NOON))
        await pauses.began.wait()
        assert query(path, "SELECT * FROM aibridge_user_prompts") == []
        assert one(path, "interceptions")["status"] is None
        state[0] = well
        pauses.end()
        await writer.flush()
    assert one(path, "user_prompts")["prompt"] == big
    assert one(path, "interceptions")["status"] == "completed"
    assert f"({said}): 2 wait" in caplog.messages[0]


async def test_who_gives_up_in_time_is_left_out(writer: Writer, pauses: Pauses, path: Database) -> None:
    lock = holding_the_lock(path)
    waiters = [begin(writer, name) for name in ("a", "b")]
    async with asyncio.timeout(10):
        await pauses.began.wait()
        later = begin(writer, "c")
        waiters[0].cancel()
        later.cancel()
        lock.close()
        pauses.end()
        await waiters[1]
        await writer.flush()
    assert ids(path) == ["b"]


@pytest.mark.only_on("sqlite")
async def test_who_gives_up_too_late_is_ended(writer: Writer, statements: Statements, path: Database) -> None:
    loop = asyncio.get_running_loop()
    waiter = a_waiter()
    statements.before("COMMIT", lambda: loop.call_soon_threadsafe(waiter.cancel))
    async with asyncio.timeout(5):
        writer.put_now(Kind.INTERCEPTION, start_row("i"), waiter)
        await writer.flush()
    row = one(path, "interceptions")
    assert (row["status"], row["ended_at"]) == ("cancelled", "2026-11-20 12:00:00.000000")


async def test_a_start_that_can_never_be_written_fails_alone(writer: Writer, path: Database) -> None:
    bad = a_waiter()
    async with asyncio.timeout(5):
        writer.put_now(Kind.INTERCEPTION, interception_row(an_interception(model=object()), "me"), bad)
        await begin(writer, "good")
        with pytest.raises(Unavailable, match="cannot be stored"):
            await bad
    assert ids(path) == ["good"]


async def test_even_a_bug_stops_no_record(
    writer: Writer, pauses: Pauses, path: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise MemoryError("canary")

    with monkeypatch.context() as patch:
        patch.setattr(writer._batch, "write", broken)
        waiter = begin(writer, "i")
        async with asyncio.timeout(5):
            await pauses.began.wait()
    pauses.end()
    async with asyncio.timeout(5):
        await waiter
    assert ids(path) == ["i"]
    assert "takes no records (MemoryError)" in caplog.text
    assert "canary" not in caplog.text


async def test_a_job_has_a_transaction_of_its_own(writer: Writer, path: Database) -> None:
    await writer.run(lambda connection: connection.exec_driver_sql("CREATE TABLE mine (a INT)").close())
    with pytest.raises(ZeroDivisionError):
        await writer.run(lambda connection: [connection.exec_driver_sql("INSERT INTO mine VALUES (1)"), 1 / 0])
    assert not writer.healthy()
    assert query(path, "SELECT * FROM mine") == []
    assert await writer.run(lambda connection: connection.exec_driver_sql("SELECT 7").scalar()) == 7
    assert writer.healthy()


async def test_closing_writes_what_waits(engine: Engine, clock: Clock, path: Database) -> None:
    writer = Writer(engine, size=100, now=clock)
    await begin(writer, "i")
    await writer.put(Kind.END, end_row("i", DONE, NOON))
    async with asyncio.timeout(5):
        await writer.close(5, lambda connection: connection.exec_driver_sql("CREATE TABLE last (a INT)").close())
    assert one(path, "interceptions")["status"] == "completed"
    assert query(path, "SELECT * FROM last") == []
    assert not writer.healthy()


async def test_closing_takes_no_longer_than_it_may(
    engine: Engine, clock: Clock, path: Database, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer(engine, size=1, now=clock)
    await begin(writer, "i")
    lock = holding_the_lock(path)
    await writer.put(Kind.END, end_row("i", DONE, NOON))
    blocked = asyncio.create_task(writer.put(Kind.PROMPT, prompt_row("i", "canary")))
    async with asyncio.timeout(5):
        await writer.close(0.1, nothing)
        with pytest.raises(Unavailable, match="closed"):
            await blocked
    lock.close()
    assert caplog.messages[-1] == f"1 records are lost ({path.busy})"
    assert "canary" not in caplog.text


async def test_a_closed_writer_takes_nothing(engine: Engine, clock: Clock) -> None:
    writer = Writer(engine, size=1, now=clock)
    await writer.close(5, nothing)
    with pytest.raises(Unavailable, match="closed"):
        await writer.put(Kind.END, end_row("i", DONE, NOON))
