"""Start, record, finish: what the gateway sees of the recorder, and what is found in the tables."""

import asyncio
import errno
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from aibridge.errors import Unavailable
from aibridge.model import Actor, Outcome, PromptRecord, ThoughtRecord, TokenUsage, ToolUsage
from aibridge.ports import Recorder as Port
from aibridge.recorder.drain import Drain
from aibridge.recorder.recorder import Recorder
from aibridge.recorder.writer import Writer
from aibridge.store import tables
from tests.databases import Database
from tests.recorder.parts import (
    DONE,
    NOON,
    Clock,
    Pauses,
    SickSpool,
    Statements,
    an_interception,
    one,
)


def rows(engine: Engine, table: Any) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(select(table).order_by(table.c.id))]


async def test_a_start_is_on_the_disk_when_it_returns(recorder: Port, spool: SickSpool) -> None:
    it = an_interception()
    await recorder.start(it)
    [file] = spool.directory.glob("me.*.spool")
    assert it.id.encode() in file.read_bytes()


async def test_a_start_is_brought_to_the_database(recorder: Recorder, database: Database) -> None:
    it = an_interception(metadata={"a": 1}, session_id="s")
    await recorder.start(it)
    await recorder.flush()
    row = one(database, "interceptions")
    assert (row["id"], row["instance_id"], row["client_session_id"]) == (it.id, "me", "s")
    assert (row["started_at"], row["ended_at"], row["status"]) == ("2026-11-20 12:00:00.000000", None, None)


async def test_everything_is_read_back_as_it_was(recorder: Recorder, engine: Engine, clock: Clock) -> None:
    it = an_interception(actor=Actor("zoë", "key", {"team": "红"}))
    await recorder.start(it)
    called = NOON + timedelta(seconds=1)
    for what in (
        PromptRecord("why is the sky blue? \U0001f600\n", "r1"),
        TokenUsage("r1", 10, 20, 30, 40, {"audio": 5}),
        TokenUsage("r2", 2**40, 0, extra={"partial": True}),
        ToolUsage(
            "r1", "c1", "look", b'{"q":[1,2.5,null]}', True, "wiki", "https://w/", "no", {"n": 1}, called, called
        ),
        ToolUsage("r1", "c2", "shell", b"ls -l", injected=False),
        ThoughtRecord("hm", "reasoning_summary"),
    ):
        clock.advance(1)  # ids begin with the time, so they are found in this order
        await recorder.record(it, what)
    clock.advance(1)
    await recorder.finish(it, Outcome("failed", 2, "timeout", "too slow"))
    await recorder.flush()
    times = [NOON + timedelta(seconds=after) for after in range(1, 8)]
    mine = {"interception_id": it.id}

    [interception] = rows(engine, tables.interceptions)
    assert interception["metadata"] == {"team": "红"}
    assert interception["streaming"] is True
    assert interception["started_at"] == NOON
    assert interception["ended_at"] == times[6]
    assert [interception[name] for name in ("status", "rounds", "error_type", "error_message")] == [
        "failed",
        2,
        "timeout",
        "too slow",
    ]
    [prompt] = rows(engine, tables.user_prompts)
    assert prompt.items() >= (mine | {"prompt": "why is the sky blue? \U0001f600\n", "created_at": times[0]}).items()
    first, second = rows(engine, tables.token_usages)
    counts = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")
    assert [first[name] for name in counts] == [10, 20, 30, 40]
    assert [second[name] for name in counts] == [2**40, 0, 0, 0]
    assert [first["metadata"], second["metadata"]] == [{"audio": 5}, {"partial": True}]
    ours, theirs = rows(engine, tables.tool_usages)
    assert ours.pop("id") < theirs.pop("id")
    assert ours == mine | {
        "provider_response_id": "r1",
        "provider_tool_call_id": "c1",
        "tool": "look",
        "server": "wiki",
        "server_url": "https://w/",
        "input": {"q": [1, 2.5, None]},
        "injected": True,
        "invocation_error": "no",
        "metadata": {"n": 1},
        "created_at": called,
        "completed_at": called,
    }
    assert theirs == mine | {
        "provider_response_id": "r1",
        "provider_tool_call_id": "c2",
        "tool": "shell",
        "server": None,
        "server_url": None,
        "input": "ls -l",
        "injected": False,
        "invocation_error": None,
        "metadata": {},
        "created_at": times[4],
        "completed_at": None,
    }
    [thought] = rows(engine, tables.model_thoughts)
    assert (thought["content"], thought["metadata"]) == ("hm", {"source": "reasoning_summary"})


async def test_without_prompts_no_words_reach_the_disk(
    writer: Writer, drain: Drain, spool: SickSpool, database: Database
) -> None:
    recorder = Recorder(writer, drain, spool, prompts="none")
    it = an_interception()
    await recorder.start(it)
    await recorder.record(it, PromptRecord("canary", "r"))
    await recorder.record(it, ThoughtRecord("canary", "thinking"))
    await recorder.record(it, ToolUsage("r", "c", "t", b'{"a":"canary"}', injected=True))
    await writer.flush()
    assert not any(b"canary" in file.read_bytes() for file in spool.directory.iterdir())
    await recorder.flush()
    assert one(database, "tool_usages")["input"] is None
    assert one(database, "user_prompts")["prompt"] == one(database, "model_thoughts")["content"] == ""
    for table in tables.metadata.tables:
        assert "canary" not in str(database.query(f"SELECT * FROM {table}"))  # noqa: S608  a name of ours


@pytest.mark.only_on("sqlite")
async def test_the_end_never_comes_before_the_rest(
    recorder: Recorder, statements: Statements, database: Database
) -> None:
    seen: list[tuple[int, int]] = []

    def look() -> None:
        ended = database.query("SELECT count(*) AS n FROM aibridge_interceptions WHERE ended_at IS NOT NULL")[0]["n"]
        seen.append((ended, database.query("SELECT count(*) AS n FROM aibridge_token_usages")[0]["n"]))

    statements.before("BEGIN", look)

    async def serve() -> None:
        it = an_interception()
        await recorder.start(it)
        await recorder.record(it, TokenUsage("r", 1, 1))
        await recorder.finish(it, DONE)

    async with asyncio.timeout(20):
        await asyncio.gather(*(serve() for _ in range(50)))
        await recorder.flush()
    look()
    assert seen[-1] == (50, 50)
    assert all(ended <= records for ended, records in seen)


async def test_a_thread_shows_while_it_runs(recorder: Recorder, database: Database) -> None:
    parent, child = an_interception(id="p"), an_interception(id="c", correlating_tool_call_id="x")
    await recorder.start(parent)
    await recorder.record(parent, ToolUsage("r", "x", "t", b"{}", injected=False))
    await recorder.start(child)
    await recorder.flush()
    [row] = database.query(
        "SELECT thread_parent_id, thread_root_id, ended_at FROM aibridge_interceptions WHERE id = 'c'"
    )
    assert row == {"thread_parent_id": "p", "thread_root_id": "p", "ended_at": None}


async def test_a_thread_is_found_at_the_end_if_the_parents_call_came_late(
    recorder: Recorder, database: Database
) -> None:
    parent, child = an_interception(id="p"), an_interception(id="c", correlating_tool_call_id="x")
    await recorder.start(parent)
    await recorder.start(child)
    await recorder.record(parent, ToolUsage("r", "x", "t", b"{}", injected=False))
    await recorder.finish(child, DONE)
    await recorder.flush()
    [row] = database.query("SELECT thread_parent_id FROM aibridge_interceptions WHERE id = 'c'")
    assert row == {"thread_parent_id": "p"}


async def test_no_durable_start_no_request(
    recorder: Recorder, writer: Writer, spool: SickSpool, pauses: Pauses, database: Database
) -> None:
    spool.sick = errno.ENOSPC
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable, match=r"the spool .* cannot be written \(No space left on device\)"):
            await recorder.start(an_interception())
        assert not recorder.healthy()
        assert recorder.report().startswith("not recording: the spool ")
        await pauses.began.wait()
        spool.sick = None
        writer.spooled.clear()
        pauses.end()
        await writer.spooled.wait()
        await recorder.start(an_interception(id="i"))
        await recorder.flush()
        assert (recorder.healthy(), recorder.report()) == (True, "ok")
    assert one(database, "interceptions")["id"] == "i"


async def test_a_caller_who_leaves_while_waiting_leaves_nothing(recorder: Recorder, database: Database) -> None:
    caller = asyncio.create_task(recorder.start(an_interception(correlating_tool_call_id="c")))
    await asyncio.sleep(0)
    caller.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await caller
        await recorder.flush()
    assert [row["status"] for row in database.query("SELECT status FROM aibridge_interceptions")] in ([], ["cancelled"])


async def test_a_caller_who_leaves_in_the_moment_of_success_is_ended(
    recorder: Recorder, writer: Writer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller: asyncio.Task[None]
    tell = writer._tell

    def tell_and_leave(starts: Any, dropped: Any) -> None:
        tell(starts, dropped)
        caller.cancel()

    monkeypatch.setattr(writer, "_tell", tell_and_leave)
    caller = asyncio.create_task(recorder.start(an_interception()))
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await caller
        await recorder.flush()
    assert one(database, "interceptions")["status"] == "cancelled"


async def test_an_end_is_taken_without_waiting_though_the_queue_is_full(
    recorder: Recorder, spool: SickSpool, database: Database
) -> None:
    it = an_interception()
    async with asyncio.timeout(10):
        await recorder.start(it)
        spool.may_go_on.clear()
        for _ in range(4):
            await recorder.record(it, PromptRecord("?", None))
        waiting = asyncio.create_task(recorder.record(it, PromptRecord("?", None)))
        await asyncio.sleep(0)
        assert not waiting.done()
        with pytest.raises(StopIteration):  # at its end at once: a request that is being cancelled loses no end
            recorder.finish(it, DONE).send(None)
        spool.may_go_on.set()
        await waiting
        await recorder.flush()
    assert one(database, "interceptions")["status"] == "completed"


async def test_nothing_stays_behind_when_all_is_well(recorder: Recorder) -> None:
    it = an_interception()
    await recorder.start(it)
    await recorder.finish(it, DONE)
    assert (recorder.queue_depth, recorder.spooled) == (1, 1)
    await recorder.flush()
    assert (recorder.queue_depth, recorder.spooled) == (0, 0)
    assert (recorder.healthy(), recorder.report()) == (True, "ok")
