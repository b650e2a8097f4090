"""Comparing the two books finds whatever is lost, doubled or untrue."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, insert

from aibridge.store.tables import interceptions, metadata, token_usages, tool_usages, user_prompts
from tests.chaos import trail
from tests.chaos.ledger import Asked, Ledger, Seen

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KILLED = 100.0


class Books:
    """Both, with one request that everything is right about: two rounds, one call."""

    def __init__(self, database: Path) -> None:
        self.url = f"sqlite:///{database}"
        self._engine: Engine = create_engine(self.url)
        metadata.create_all(self._engine)
        self.ledger = Ledger()
        self.request("a")
        self.interception("a")

    def request(self, id_: str, seen: Seen = "complete", *, ended: float = 50.0) -> None:
        number = len(self.ledger.requests) + 1
        asked = Asked(number, "messages", "looks", True, 0.0, ended, 200, id_, seen, rounds=2, calls=1)
        self.ledger.requests.append(asked)

    def interception(self, id_: str, status: str | None = "completed", *, number: int = 1) -> None:
        common = {"provider": "openai", "provider_name": "openai", "route": "/", "model": "m", "streaming": True}
        credential = {"credential_kind": "centralized", "credential_hint": "", "metadata": {}, "rounds": 2}
        client = {"initiator_id": "anonymous", "client": "c", "started_at": NOW, "instance_id": "i"}
        self._add(interceptions, {"id": id_, "status": status, **common, **credential, **client})
        self.record(user_prompts, id_, "p", prompt=f"Question {number}, please.")
        self.record(token_usages, id_, "t1", provider_response_id="r1", **_COUNTS)
        self.record(token_usages, id_, "t2", provider_response_id="r2", **_COUNTS)
        self.call(id_, "u", "c1")

    def call(self, id_: str, usage: str, call: str) -> None:
        self.record(tool_usages, id_, usage, provider_tool_call_id=call, tool="read", injected=True)

    def record(self, table: Any, interception: str, id_: str, **values: Any) -> None:
        row = {"id": interception + id_, "interception_id": interception, "metadata": {}, "created_at": NOW}
        self._add(table, {"provider_response_id": None, **row, **values})

    def forget(self, table: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(table.delete())

    def compare(self, *kills: float) -> tuple[dict[str, int], list[str]]:
        self._engine.dispose()
        return trail.compare(self.ledger, trail.read(self.url), kills)

    def _add(self, table: Any, row: dict[str, Any]) -> None:
        with self._engine.begin() as connection:
            connection.execute(insert(table).values(row))


_COUNTS = {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 0, "cache_write_input_tokens": 0}


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path / "records.db")


def found(books: Books, *kills: float) -> dict[str, int]:
    """The figures that are not as they should be."""
    figures, broken = books.compare(*kills)
    wrong = {name: count for name, count in figures.items() if count and name not in ("interceptions", "crashed")}
    assert bool(broken) == bool({**wrong, "cut off within the lag": 0} != {"cut off within the lag": 0})
    return wrong


def test_books_that_agree(books: Books) -> None:
    assert found(books) == {}


def test_an_accepted_request_without_an_interception_is_lost(books: Books) -> None:
    books.request("b", "cut")
    assert found(books) == {"lost": 1}


def test_one_that_was_never_accepted_is_not(books: Books) -> None:
    books.request("", "nothing")
    assert found(books) == {}


@pytest.mark.parametrize("table", [user_prompts, token_usages, tool_usages])
def test_a_whole_answer_whose_records_are_not_there_is_incomplete(books: Books, table: Any) -> None:
    books.forget(table)
    assert found(books) == {"incomplete": 1}


def test_unless_a_kill_came_within_the_lag(books: Books) -> None:
    books.forget(token_usages)
    books.ledger.requests[0].ended = KILLED - 0.05
    assert found(books, KILLED) == {"cut off within the lag": 1}
    books.ledger.requests[0].ended = KILLED - 1
    assert found(books, KILLED) == {"incomplete": 1}


def test_two_usages_of_a_round_are_doubled(books: Books) -> None:
    books.request("b", "cut")
    books.interception("b", "crashed", number=2)
    books.record(token_usages, "b", "t3", provider_response_id="r2", **_COUNTS)
    assert found(books, KILLED) == {"doubled": 1}


def test_two_usages_of_a_call_are_doubled(books: Books) -> None:
    books.request("b", "cut")
    books.interception("b", "crashed", number=2)
    books.call("b", "u2", "c1")
    assert found(books, KILLED) == {"doubled": 1}


def test_two_requests_with_one_interception_are_doubled(books: Books) -> None:
    books.request("a", "cut")
    assert found(books) == {"doubled": 1}


def test_records_without_a_start_are_doubled(books: Books) -> None:
    books.record(user_prompts, "elsewhere", "p", prompt="?")
    assert found(books) == {"doubled": 1}


@pytest.mark.parametrize(
    ("seen", "status"), [("complete", "failed"), ("complete", "cancelled"), ("error", "completed"), ("cut", "crashed")]
)
def test_an_end_that_the_client_saw_otherwise_is_untrue(books: Books, seen: Seen, status: str) -> None:
    books.request("b", seen)
    books.interception("b", status, number=2)
    assert found(books)["untrue"] == 1


def test_what_was_killed_has_crashed(books: Books) -> None:
    books.request("b", "cut")
    books.interception("b", "crashed", number=2)
    figures, broken = books.compare(KILLED)
    assert (figures["crashed"], broken) == (1, [])


def test_an_interception_without_an_end(books: Books) -> None:
    books.interception("b", None)
    assert found(books) == {"without an end": 1}


def test_only_a_few_examples_are_told(books: Books) -> None:
    for number in range(20):
        books.request(f"lost-{number}")
    _, broken = books.compare()
    assert len(broken) == trail.TOLD + 1
    assert broken[-1] == "… 15 more like it: was accepted and has no interception"
