"""Who lives, who is dead, and what becomes of what the dead left open."""

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert

from aibridge.recorder.batch import Batch
from aibridge.recorder.instances import Instance
from aibridge.recorder.rows import Kind, end_row, interception_row
from aibridge.store.tables import instances
from tests.databases import Database
from tests.recorder.parts import DONE, NOON, Clock, an_interception, one


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "a.db-instances"


def beat(engine: Engine, instance: Instance) -> None:
    with engine.begin() as connection:
        instance.beat(connection)


def leave_open(engine: Engine, name: str, owner: str) -> None:
    row = interception_row(an_interception(id=name), owner)
    assert Batch(engine.dialect).write(engine, [(Kind.INTERCEPTION, row)]) == []


def register(engine: Engine, name: str, **changes: Any) -> None:
    usual = {"host": "elsewhere", "pid": 1, "started_at": NOON, "heartbeat_at": NOON}
    with engine.begin() as connection:
        connection.execute(insert(instances).values(id=name, **(usual | changes)))


def status(database: Database, name: str) -> object:
    return database.query("SELECT status FROM aibridge_interceptions WHERE id = ?", name)[0]["status"]


def living(database: Database) -> set[object]:
    return {row["id"] for row in database.query("SELECT id FROM aibridge_instances")}


def test_a_process_is_known_by_its_beat(engine: Engine, directory: Path, clock: Clock, database: Database) -> None:
    me = Instance(directory, clock)
    with me.alive():
        beat(engine, me)
        clock.advance(10)
        beat(engine, me)
        row = one(database, "instances")
    assert row["id"] == me.id
    assert row["host"] == socket.gethostname()
    assert row["started_at"] == "2026-11-20 12:00:00.000000"
    assert row["heartbeat_at"] == "2026-11-20 12:00:10.000000"


def test_what_a_dead_process_left_open_has_crashed(
    engine: Engine, directory: Path, clock: Clock, database: Database
) -> None:
    dead, me = Instance(directory, clock), Instance(directory, clock)
    with dead.alive():
        beat(engine, dead)
        leave_open(engine, "i", dead.id)
    (directory / f"{dead.id}.lock").touch()  # whoever is killed leaves it
    clock.advance(3)
    with me.alive():
        beat(engine, me)
    row = one(database, "interceptions")
    assert (row["status"], row["ended_at"]) == ("crashed", "2026-11-20 12:00:03.000000")
    assert (row["error_type"], row["error_message"]) == (
        "server_error",
        "the process that served it ended before it did",
    )
    assert living(database) == {me.id}


def test_what_living_processes_serve_goes_on(engine: Engine, directory: Path, clock: Clock, database: Database) -> None:
    one_, other = Instance(directory, clock), Instance(directory, clock)
    with ExitStack() as alive:
        for instance in (one_, other):
            alive.enter_context(instance.alive())
            beat(engine, instance)
            leave_open(engine, instance.id, instance.id)
        clock.advance(3600)  # busy for an hour: its lock counts, and not its heartbeat
        beat(engine, one_)
    assert status(database, one_.id) is None
    assert status(database, other.id) is None
    assert living(database) == {one_.id, other.id}


def test_what_has_ended_stays_as_it_ended(engine: Engine, directory: Path, clock: Clock, database: Database) -> None:
    leave_open(engine, "i", "nobody")
    Batch(engine.dialect).write(engine, [(Kind.END, end_row("i", DONE, NOON))])
    beat(engine, Instance(directory, clock))
    assert status(database, "i") == "completed"


def test_a_process_whose_lock_file_is_left_is_dead(
    engine: Engine, directory: Path, clock: Clock, database: Database
) -> None:
    directory.mkdir()
    (directory / "killed.lock").touch()
    register(engine, "killed", host="container-of-yesterday")
    leave_open(engine, "i", "killed")
    beat(engine, Instance(directory, clock))
    assert status(database, "i") == "crashed"
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(("silence", "expected"), [(59, None), (60, None), (61, "crashed")])
@pytest.mark.parametrize("host", ["elsewhere", socket.gethostname()])
def test_a_process_whose_lock_cannot_be_seen_is_dead_after_a_minute(
    engine: Engine, directory: Path, clock: Clock, database: Database, silence: int, expected: str | None, host: str
) -> None:
    register(engine, "far", host=host)
    leave_open(engine, "i", "far")
    clock.advance(silence)
    beat(engine, Instance(directory, clock))
    assert status(database, "i") == expected


def test_who_was_taken_for_dead_says_that_they_live(
    engine: Engine, directory: Path, clock: Clock, database: Database
) -> None:
    me = Instance(directory, clock)
    with me.alive():
        beat(engine, me)
        database.query("DELETE FROM aibridge_instances")
        beat(engine, me)
        assert living(database) == {me.id}


def test_who_takes_leave_leaves_nothing(engine: Engine, directory: Path, clock: Clock, database: Database) -> None:
    me = Instance(directory, clock)
    with me.alive():
        beat(engine, me)
        assert [file.name for file in directory.iterdir()] == [f"{me.id}.lock"]
        with engine.begin() as connection:
            me.leave(connection)
    assert living(database) == set()
    assert list(directory.iterdir()) == []


def test_the_locks_are_their_owners_alone(engine: Engine, directory: Path, clock: Clock) -> None:
    with Instance(directory, clock).alive():
        assert directory.stat().st_mode & 0o777 == 0o700
        assert [file.stat().st_mode & 0o777 for file in directory.iterdir()] == [0o600]


@pytest.mark.only_on("sqlite")
def test_what_is_open_is_found_without_a_scan(engine: Engine, directory: Path, clock: Clock) -> None:
    ran: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: ran.append(args[2]))
    beat(engine, Instance(directory, clock))
    [ending] = [sql for sql in ran if sql.startswith("UPDATE aibridge_interceptions")]
    with engine.begin() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {ending}", ("",) * ending.count("?")).all()
    assert "USING INDEX ix_aibridge_interceptions_open" in plan[0][3]
