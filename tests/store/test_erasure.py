"""Of an erased person no word is left; what they did stays, and so does everybody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.store import erasure, tables
from aibridge.store.engine import open_engine
from aibridge.store.erasure import count, erase
from tests.databases import Database
from tests.store.words import add

CANARY = "canary-of-alice"


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database.url)
    yield engine
    await engine.dispose()


def everything(database: Database) -> str:
    return "\n".join(str(database.query(f"SELECT * FROM {table.name}")) for table in tables.metadata.sorted_tables)  # noqa: S608


async def test_no_word_is_left_and_all_counts_are(engine: AsyncEngine, database: Database) -> None:
    for name in ("a", "b"):
        await add(engine, name, word=CANARY)
    assert everything(database).count(CANARY) == 2 * 12
    await erase(engine, "alice")
    assert CANARY not in everything(database)
    assert await count(engine, "alice") == {
        "interceptions": 2,
        "user_prompts": 2,
        "tool_usages": 2,
        "model_thoughts": 2,
        "hidden_turns": 0,
    }
    [total] = database.query("SELECT sum(input_tokens) AS n FROM aibridge_token_usages")
    assert int(total["n"]) == 14


async def test_everybody_elses_words_stay(engine: AsyncEngine, database: Database) -> None:
    await add(engine, "a", "alice", CANARY)
    await add(engine, "b", "alicia", "her own")
    before = everything(database).count("her own")
    await erase(engine, "alice")
    assert everything(database).count("her own") == before
    assert (await count(engine, "alicia"))["hidden_turns"] == 1


async def test_many_are_erased_batch_by_batch(
    engine: AsyncEngine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "AT_ONCE", 2)
    for number in range(5):
        await add(engine, str(number), word=CANARY)
    await erase(engine, "alice")
    assert CANARY not in everything(database)


async def test_of_nobody_there_is_nothing(engine: AsyncEngine) -> None:
    assert not any((await count(engine, "nobody")).values())
    await erase(engine, "nobody")


@pytest.mark.only_on("sqlite")
async def test_the_files_hold_no_word_either(engine: AsyncEngine, tmp_path: Path) -> None:
    await add(engine, "a", word=CANARY * 1000)

    def found() -> bool:
        return any(CANARY.encode() in file.read_bytes() for file in tmp_path.glob("a.db*"))

    assert found()
    await erase(engine, "alice")
    assert not found()
