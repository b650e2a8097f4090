"""The rows: one at each place, whole, and gone when they have expired."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, create_mock_engine, event
from sqlalchemy.exc import OperationalError

from aibridge.recall import turns as module
from aibridge.recall.turns import Turns, keeping
from tests.databases import Database
from tests.recall.parts import NOON, Clock, digests_in, holding_the_lock, kept, place, query


@pytest.fixture
def turns(engine: Engine, clock: Clock) -> Turns:
    return Turns(engine, clock)


def statements(engine: Engine) -> list[str]:
    """All that is executed from now on, beside the transactions' bounds."""
    seen: list[str] = []

    def see(_connection: object, _cursor: object, sql: str, *_: object) -> None:
        if not sql.startswith("BEGIN"):
            seen.append(sql)

    event.listen(engine, "before_cursor_execute", see)
    return seen


def keep(turns: Turns, digests: Iterable[str], seconds: float = 1) -> None:
    turns.keep({place(digest): kept(expires_at=NOON + timedelta(seconds=seconds)) for digest in digests})


def test_a_row_has_all_that_people_may_ask_for(turns: Turns, path: Database) -> None:
    turns.keep({place("k"): kept(b"[1]", name="t")})
    assert query(path, "SELECT * FROM aibridge_hidden_turns") == [
        ("alice", "work", "k", "t", b"[1]", "2026-11-20 12:00:00.000000", "2026-11-21 12:00:00.000000")
    ]


def test_what_was_at_the_place_is_replaced_altogether(turns: Turns, path: Database, clock: Clock) -> None:
    turns.keep({place("k"): kept(b"[1]", name="t")})
    clock.advance(hours=1)
    turns.keep({place("k"): kept(b"[2]", name="u", expires_at=NOON + timedelta(days=2))})
    assert query(path, "SELECT * FROM aibridge_hidden_turns") == [
        ("alice", "work", "k", "u", b"[2]", "2026-11-20 13:00:00.000000", "2026-11-22 12:00:00.000000")
    ]


def test_a_row_comes_back_as_it_was(turns: Turns) -> None:
    turns.keep({place("k"): kept(b"\0\xff")})
    assert turns.find("alice", "work", ["k", "l"]) == {place("k"): kept(b"\0\xff")}


def test_one_query_finds_them_all(turns: Turns, engine: Engine) -> None:
    digests = [str(number) for number in range(100)]
    keep(turns, digests)
    seen = statements(engine)
    assert len(turns.find("alice", "work", digests)) == 100
    assert len(seen) == 1


@pytest.mark.only_on("sqlite")
def test_no_number_of_keys_is_too_large(turns: Turns, engine: Engine) -> None:
    digests = [str(number) for number in range(40_000)]
    keep(turns, [digests[0], digests[-1]])
    seen = statements(engine)
    assert len(turns.find("alice", "work", digests)) == 2
    assert [sql.count("?") for sql in seen] == [10_003] * 4


@pytest.mark.only_on("sqlite")
def test_the_place_is_the_index(turns: Turns, engine: Engine, path: Database) -> None:
    seen = statements(engine)
    turns.find("alice", "work", ["k", "l"])
    turns.sweep()
    find, sweep = (query(path, f"EXPLAIN QUERY PLAN {sql}", *[""] * sql.count("?")) for sql in seen)
    assert [row[3] for row in find] == [
        "SEARCH aibridge_hidden_turns USING INDEX sqlite_autoindex_aibridge_hidden_turns_1"
        " (actor=? AND provider=? AND key=?)"
    ]
    assert not any(row[3].startswith("SCAN aibridge") for row in sweep)


def test_a_reader_waits_for_no_writer(turns: Turns, path: Database) -> None:
    keep(turns, "k")
    lock = holding_the_lock(path)
    assert len(turns.find("alice", "work", ["k"])) == 1
    with pytest.raises(OperationalError, match=path.busy):
        keep(turns, "l")
    lock.close()


def test_what_is_expired_is_not_found(turns: Turns, clock: Clock) -> None:
    keep(turns, "k")
    clock.advance(seconds=1)
    assert turns.find("alice", "work", ["k"]) == {}


def test_what_is_expired_is_swept_away_batch_by_batch(
    turns: Turns, path: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(turns, [f"old{number}" for number in range(module.SWEPT_AT_ONCE + 1)])
    keep(turns, ["new"], seconds=3)
    assert turns.sweep() == 0
    clock.advance(seconds=1)
    assert [turns.sweep() for _ in range(3)] == [module.SWEPT_AT_ONCE, 1, 0]
    assert digests_in(path) == ["new"]


def test_postgresql_replaces_too() -> None:
    dialect = create_mock_engine("postgresql://", lambda *_: None).dialect
    sql = str(keeping(dialect).compile(dialect=dialect))
    assert "ON CONFLICT (actor, provider, key) DO UPDATE SET turn_id = excluded.turn_id" in sql
