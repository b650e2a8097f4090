"""What a batch writes, what it leaves out, and how threads are found."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, create_mock_engine, event
from sqlalchemy.exc import OperationalError, ProgrammingError

from aibridge.model import Actor, Interception, Outcome, PromptRecord, Record, TokenUsage, ToolUsage
from aibridge.pricing import Cost, no_price
from aibridge.recorder.batch import Batch, _link
from aibridge.recorder.rows import Entry, Kind, end_row, interception_row, link_row, priced_row, record_row
from tests.databases import Database
from tests.recorder.parts import DONE, NOON, an_interception, as_read, one


@pytest.fixture
def batch(engine: Engine) -> Batch:
    return Batch(engine.dialect)


def start(interception: Interception) -> Entry:
    return Kind.INTERCEPTION, interception_row(interception, "me")


def record(interception: Interception, what: Record) -> Entry:
    entry = record_row(interception, what, "full", NOON)
    return as_read(entry)[0] if isinstance(what, ToolUsage) else entry


def link(interception: Interception) -> Entry:
    return Kind.LINK, link_row(interception)


def end(interception: Interception, outcome: Outcome = DONE) -> Entry:
    return Kind.END, end_row(interception.id, outcome, NOON)


def call(call_id: str) -> ToolUsage:
    return ToolUsage("r", call_id, "t", b"{}", injected=False)


def test_one_transaction_holds_it_all(batch: Batch, engine: Engine, database: Database) -> None:
    it = an_interception()
    entries = [end(it), record(it, PromptRecord("hi", None)), start(it)]  # in any order
    assert batch.write(engine, entries) == []
    assert (one(database, "interceptions")["status"], one(database, "user_prompts")["prompt"]) == ("completed", "hi")


def test_writing_again_doubles_nothing(batch: Batch, engine: Engine, database: Database) -> None:
    it = an_interception()
    entries = [start(it), record(it, PromptRecord("hi", None)), end(it)]
    for _ in range(2):
        assert batch.write(engine, entries) == []
    assert one(database, "user_prompts")["prompt"] == "hi"


SUMS = "input_tokens, output_tokens, cache_read_input_tokens, cache_write_input_tokens, cost_micros, unpriced, took_ms"


@pytest.mark.parametrize("parts", [[4], [1, 3], [2, 1, 1], [3, 1], [1, 1, 1, 1]])
def test_what_was_used_is_summed_up_at_the_end(
    batch: Batch, engine: Engine, database: Database, parts: list[int]
) -> None:
    """In however many batches it comes, and though each is written twice."""
    it = an_interception(started_at=NOON - timedelta(seconds=1.5))
    priced, unpriced = (
        (Kind.TOKENS, priced_row(row, price))
        for (_, row), price in (
            (record(it, TokenUsage("r", 100, 20, 3, 4)), lambda *_: Cost(7, {})),
            (record(it, TokenUsage("r", 1, 2)), no_price),
        )
    )
    entries = [start(it), priced, unpriced, end(it)]
    for size in parts:
        for _ in range(2):
            assert batch.write(engine, entries[:size]) == []
        entries = entries[size:]
    [row] = database.query(f"SELECT {SUMS} FROM aibridge_interceptions")  # noqa: S608
    assert list(row.values()) == [101, 22, 3, 4, 7, 1, 1500]


@pytest.mark.parametrize(
    "bad",
    [
        TokenUsage("canary", 2**64, 0),
        TokenUsage("canary", 1, 1, extra={"x": object()}),
        PromptRecord({"canary": 1}, None),  # type: ignore[arg-type]  # a bug of ours must not cost other people's records
    ],
    ids=["too big", "no json", "no text"],
)
def test_a_row_that_cannot_be_stored_costs_no_other(
    batch: Batch, engine: Engine, database: Database, caplog: pytest.LogCaptureFixture, bad: Record
) -> None:
    ours, other = an_interception(), an_interception()
    poison, prompt = record(ours, bad), record(other, PromptRecord("hi", None))
    dropped = batch.write(engine, [start(ours), poison, prompt, start(other), end(ours), end(other)])
    assert dropped == [poison[1]]
    assert [row["status"] for row in database.query("SELECT * FROM aibridge_interceptions")] == ["completed"] * 2
    assert one(database, "user_prompts")["prompt"] == "hi"
    [line] = [told.message for told in caplog.records if told.name.startswith("aibridge")]  # drivers tell things too
    assert line.startswith("dropped a record that cannot be stored: ")
    assert ours.id in line
    assert "canary" not in caplog.text


def test_an_orphan_is_dropped(batch: Batch, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    entry = record(an_interception(), PromptRecord("canary", None))
    assert batch.write(engine, [entry]) == [entry[1]]
    assert "PROMPT of interception" in caplog.text
    assert "IntegrityError" in caplog.text
    assert "canary" not in caplog.text


def test_a_start_that_cannot_be_stored_is_named(batch: Batch, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    entry = start(an_interception(id="i", model={"no": "text"}))
    assert batch.write(engine, [entry]) == [entry[1]]
    assert "INTERCEPTION of interception i (" in caplog.text


def test_half_a_surrogate_pair_is_replaced(
    batch: Batch, engine: Engine, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    it = an_interception(model="\ud800x", metadata={"a": ["\udfff", 1], "b\ud800": {}})
    caplog.set_level(logging.DEBUG)
    assert batch.write(engine, [start(it), record(it, PromptRecord("he said \ud83d, she \U0001f600\0", None))]) == []
    assert (one(database, "interceptions")["model"], one(database, "interceptions")["metadata"]) == (
        "?x",
        '{"a":["?",1],"b?":{}}',
    )
    assert one(database, "user_prompts")["prompt"] == "he said ?, she \U0001f600\ufffd"
    assert caplog.messages == []


@pytest.mark.only_on("sqlite")
def test_nul_is_kept_where_the_database_takes_it(batch: Batch, engine: Engine, database: Database) -> None:
    it = an_interception()
    assert batch.write(engine, [start(it), record(it, PromptRecord("a\0b", None))]) == []
    assert one(database, "user_prompts")["prompt"] == "a\0b"


def test_a_database_in_trouble_takes_nothing(batch: Batch, engine: Engine, database: Database) -> None:
    it = an_interception()
    with engine.connect():  # so that only the lock is in the way
        lock = database.hold()
    with pytest.raises(OperationalError, match=database.busy):
        batch.write(engine, [start(it), end(it)])
    lock.close()
    assert database.query("SELECT id FROM aibridge_interceptions") == []
    assert batch.write(engine, [start(it), end(it)]) == []
    assert one(database, "interceptions")["status"] == "completed"


@pytest.mark.only_on("sqlite")
def test_trouble_in_the_midst_of_writing_one_by_one_leaves_nothing(
    batch: Batch, engine: Engine, database: Database
) -> None:
    it = an_interception(model="\ud800")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE gone (a)")
        connection.exec_driver_sql(
            "CREATE TRIGGER t BEFORE INSERT ON aibridge_user_prompts BEGIN INSERT INTO gone VALUES (1); END"
        )
        connection.exec_driver_sql("DROP TABLE gone")
    entries = [start(it), record(it, PromptRecord("hi", None))]
    with pytest.raises(OperationalError, match="no such table"):
        batch.write(engine, entries)
    assert database.query("SELECT id FROM aibridge_interceptions") == []


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("sick", "well"),
    [
        ("ALTER TABLE aibridge_user_prompts RENAME TO gone", "ALTER TABLE gone RENAME TO aibridge_user_prompts"),
        ("REVOKE INSERT ON aibridge_user_prompts FROM app", "GRANT INSERT ON aibridge_user_prompts TO app"),
    ],
    ids=["no table", "no right"],
)
def test_what_an_operator_can_mend_costs_no_row(
    batch: Batch, engine: Engine, database: Database, sick: str, well: str
) -> None:
    database.query("DROP ROLE IF EXISTS app")
    database.query("CREATE ROLE app")
    database.query("GRANT ALL ON ALL TABLES IN SCHEMA public TO app")
    event.listen(engine, "checkout", lambda connection, *_: connection.execute("SET ROLE app").close())
    it = an_interception()
    entries = [start(it), record(it, PromptRecord("hi", None))]
    database.query(sick)
    with pytest.raises(ProgrammingError):
        batch.write(engine, entries)
    database.query(well)
    assert batch.write(engine, entries) == []
    assert one(database, "user_prompts")["prompt"] == "hi"
    database.query("DROP OWNED BY app")
    database.query("DROP ROLE app")


# Threads: an interception that brings the result of a tool call belongs to the one that made the call.


def threads(database: Database) -> dict[str, tuple[Any, Any]]:
    rows = database.query("SELECT id, thread_parent_id, thread_root_id FROM aibridge_interceptions")
    return {row["id"]: (row["thread_parent_id"], row["thread_root_id"]) for row in rows}


def test_a_thread_of_three(batch: Batch, engine: Engine, database: Database) -> None:
    a, b, c = (
        an_interception(id=name, correlating_tool_call_id=of) for name, of in (("a", None), ("b", "a1"), ("c", "b1"))
    )
    entries = [start(a), record(a, call("a1")), start(b), link(b), record(b, call("b1")), start(c), link(c)]
    assert batch.write(engine, entries) == []
    assert threads(database) == {"a": (None, None), "b": ("a", "a"), "c": ("b", "a")}


def test_the_parent_may_be_written_long_before(batch: Batch, engine: Engine, database: Database) -> None:
    a, b = an_interception(id="a"), an_interception(id="b", correlating_tool_call_id="a1")
    batch.write(engine, [start(a), record(a, call("a1")), end(a)])
    batch.write(engine, [start(b), link(b)])
    assert threads(database)["b"] == ("a", "a")


def test_the_parents_call_may_be_written_later(batch: Batch, engine: Engine, database: Database) -> None:
    a, b = an_interception(id="a"), an_interception(id="b", correlating_tool_call_id="a1")
    batch.write(engine, [start(a), start(b), link(b)])
    assert threads(database)["b"] == (None, None)
    batch.write(engine, [record(a, call("a1"))])
    batch.write(engine, [link(b), end(b)])
    assert threads(database)["b"] == ("a", "a")


def test_another_actors_call_is_no_parent(batch: Batch, engine: Engine, database: Database) -> None:
    a = an_interception(id="a", actor=Actor("bob"))
    b = an_interception(id="b", correlating_tool_call_id="a1")
    batch.write(engine, [start(a), record(a, call("a1")), start(b), link(b)])
    assert threads(database)["b"] == (None, None)


def test_of_equal_call_ids_the_latest_is_meant(batch: Batch, engine: Engine, database: Database) -> None:
    early, late = an_interception(id="early"), an_interception(id="late")
    child = an_interception(id="child", correlating_tool_call_id="call_0", started_at=NOON + timedelta(seconds=9))
    calls = [
        record(it, replace(call("call_0"), called_at=NOON + timedelta(seconds=after)))
        for it, after in ((early, 1), (late, 2))
    ]
    batch.write(engine, [start(late), start(early), *calls, start(child), link(child)])
    assert threads(database)["child"] == ("late", "late")


def test_a_younger_one_is_no_parent_and_nobody_is_their_own(batch: Batch, engine: Engine, database: Database) -> None:
    old = an_interception(id="old", correlating_tool_call_id="x")
    young = an_interception(id="young", correlating_tool_call_id="x", started_at=NOON + timedelta(seconds=1))
    entries = [start(old), start(young), record(young, call("x")), record(old, call("x")), link(old), link(young)]
    batch.write(engine, entries)
    assert threads(database) == {"old": (None, None), "young": ("old", "old")}


def test_a_parent_once_found_is_kept(batch: Batch, engine: Engine, database: Database) -> None:
    a, b = an_interception(id="a"), an_interception(id="b", correlating_tool_call_id="x")
    batch.write(engine, [start(a), record(a, call("x")), start(b), link(b)])
    other = an_interception(id="other")
    batch.write(engine, [start(other), record(other, call("x")), link(b)])
    assert threads(database)["b"] == ("a", "a")


@pytest.mark.only_on("sqlite")
def test_the_look_up_goes_by_the_call_and_scans_nothing(engine: Engine) -> None:
    statement = _link().compile(dialect=engine.dialect)
    with engine.begin() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", ("c", "a", str(NOON), "i", "i")).all()
    steps = [row[3] for row in plan]
    assert any("ix_aibridge_tool_usages_provider_tool_call_id" in step for step in steps)
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps  # nor sorts
    assert not any("SCAN aibridge" in step or "SCAN parent" in step for step in steps)


def test_postgresql_has_the_same_statements() -> None:
    # As far as can be told without its driver: they compile, and every parameter has its place in the row.
    Batch(create_mock_engine("postgresql+psycopg2://", lambda *_: None, paramstyle="format").dialect)
