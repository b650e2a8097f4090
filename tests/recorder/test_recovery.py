"""What dead processes left in the spool, and who takes it."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from aibridge.model import ToolUsage
from aibridge.recorder.drain import Drain
from aibridge.recorder.locks import held
from aibridge.recorder.recovery import recover
from aibridge.recorder.rows import Entry, Kind, end_row, interception_row, record_row
from aibridge.recorder.spool import Spool
from tests.databases import Database
from tests.recorder.parts import DONE, NOON, SickSpool, an_interception


def start(name: str) -> Entry:
    return Kind.INTERCEPTION, interception_row(an_interception(id=name), "dead")


def leave(directory: Path, name: str, *groups: list[Entry]) -> Spool:
    """What a process leaves that is killed after these groups, each in a file."""
    spool = Spool(directory, name)
    for group in groups:
        spool.append(group)
        spool.seal()
    spool.close()
    spool.lock.touch()
    return spool


def ids(database: Database) -> list[str]:
    return [row["id"] for row in database.query("SELECT id FROM aibridge_interceptions ORDER BY id")]


async def test_it_is_taken_in_and_gone(spool: SickSpool, drain: Drain, database: Database) -> None:
    leave(spool.directory, "dead", [start("a")], [start("b"), (Kind.END, end_row("a", DONE, NOON))])
    leave(spool.directory, "dead2", [start("c")])
    await recover(spool, drain)
    assert ids(database) == ["a", "b", "c"]
    assert database.query("SELECT status FROM aibridge_interceptions WHERE id = 'a'") == [{"status": "completed"}]
    assert list(spool.directory.iterdir()) == []
    assert spool.others == 0


async def test_taken_in_twice_is_there_once(spool: SickSpool, drain: Drain, database: Database) -> None:
    for _ in range(2):
        leave(spool.directory, "dead", [start("a"), (Kind.END, end_row("a", DONE, NOON))], [start("b")])
        await recover(spool, drain)
    assert ids(database) == ["a", "b"]


async def test_what_an_older_version_left_lacks_only_what_it_did_not_know(
    spool: SickSpool, drain: Drain, database: Database
) -> None:
    usage = ToolUsage("r", "c", "search", b"{}", injected=True, server="tracker")
    kind, row = record_row(an_interception(id="a"), usage, "full", NOON)
    leave(spool.directory, "dead", [start("a"), (kind, row[:-1]), (kind, ("new", *row[1:]))])
    await recover(spool, drain)
    found = database.query("SELECT tool, server FROM aibridge_tool_usages ORDER BY rowid")
    assert [tuple(row.values()) for row in found] == [("search", None), ("search", "tracker")]


async def test_a_torn_tail_is_the_end(spool: SickSpool, drain: Drain, database: Database) -> None:
    leave(spool.directory, "dead", [start("a")])
    [file] = spool.directory.glob("dead.*.spool")
    whole = file.read_bytes().rstrip(b"\0")
    file.write_bytes(whole + b"\x50\0\0\0torn" + bytes(1000))
    await recover(spool, drain)
    assert ids(database) == ["a"]
    assert list(spool.directory.iterdir()) == []


async def test_a_living_processs_is_left_alone(spool: SickSpool, drain: Drain, database: Database) -> None:
    other = leave(spool.directory, "living", [start("a")])
    with held(other.lock):
        await recover(spool, drain)
        assert ids(database) == []
        assert spool.others > 0
        assert len(list(spool.directory.glob("living.*"))) == 2
    await recover(spool, drain)
    assert ids(database) == ["a"]


async def test_our_own_is_no_dead_ones(spool: SickSpool, drain: Drain, database: Database) -> None:
    spool.append([start("mine")])
    await recover(spool, drain)
    assert ids(database) == []


async def test_without_a_lock_file_it_is_taken_too(spool: SickSpool, drain: Drain, database: Database) -> None:
    leave(spool.directory, "dead", [start("a")]).lock.unlink()
    await recover(spool, drain)
    assert ids(database) == ["a"]
    assert list(spool.directory.iterdir()) == []


async def test_a_database_in_trouble_leaves_it_for_another_time(
    spool: SickSpool, drain: Drain, database: Database
) -> None:
    leave(spool.directory, "dead", [start("a")], [start("b")])
    lock = database.hold()
    with pytest.raises(DBAPIError, match=database.busy):
        await recover(spool, drain)
    lock.close()
    assert len(list(spool.directory.iterdir())) == 3
    await recover(spool, drain)
    assert ids(database) == ["a", "b"]


async def test_of_two_at_once_one_does_it(spool: SickSpool, drain: Drain, database: Database) -> None:
    leave(spool.directory, "dead", [start("a")])
    other = Spool(spool.directory, "other")
    await asyncio.gather(recover(spool, drain), recover(other, drain))
    assert ids(database) == ["a"]
    assert list(spool.directory.iterdir()) == []
