"""A person's words are erased once somebody means it."""

import asyncio
import io

import pytest

from aibridge.store.engine import open_engine
from aibridge.store.migrate import migrate
from tests.cli.conftest import Run
from tests.store.words import add


@pytest.fixture(autouse=True)
def _recorded(_alone: None) -> None:
    async def fill() -> None:
        engine = open_engine("sqlite:///aibridge.db")
        await migrate(engine)
        await add(engine, "i", "alice", "canary")
        await engine.dispose()

    asyncio.run(fill())


def words_are_there() -> bool:
    with open("aibridge.db", "rb") as file:  # noqa: PTH123  as it is on disk
        return b"canary" in file.read()


WHAT = "1 interceptions, 1 prompts, 1 tool calls, 1 thoughts, 1 hidden turns"


def test_it_asks_and_says_what_it_did(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    status, out, err = run("erase", "--actor", "alice")
    assert (status, err) == (0, f"Erase the words of alice in {WHAT}? This cannot be undone [yes/no] ")
    assert out == f"Erased the words of alice in {WHAT}. Counts and times stay, and so do their keys.\n"
    assert not words_are_there()


@pytest.mark.parametrize("answer", ["no\n", "\n", "", "yesterday\n"])
def test_anything_but_yes_is_no(run: Run, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    status, out, err = run("erase", "--actor", "alice")
    assert (status, out) == (1, "")
    assert err.endswith("nothing was erased\n")
    assert words_are_there()


def test_a_script_is_not_asked(run: Run) -> None:
    assert run("erase", "--actor", "alice", "--yes").status == 0
    assert not words_are_there()


def test_a_name_that_is_not_there_is_told(run: Run) -> None:
    assert run("erase", "--actor", "Alice", "--yes") == (1, "", "nothing is recorded of Alice: names are exact\n")
    assert words_are_there()


def test_whom_to_erase_must_be_said(run: Run) -> None:
    assert run("erase", "--yes").status == 2
