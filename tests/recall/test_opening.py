"""Recall outlives its process, sweeps up behind itself, and leaves nothing running."""

import asyncio
import sys
import threading
from collections.abc import Sequence

import pytest

from aibridge.recall import open_recall
from aibridge.recall.opening import SWEEP_SECONDS
from aibridge.store.engine import StoreError
from tests.databases import Database
from tests.recall.conftest import Open
from tests.recall.parts import ALICE, Clock, Pauses, a_turn, contents, digests_in, keys, query

PROCESS = """
import asyncio, os, signal, sys
from aibridge.model import Actor, HiddenTurn, RecallKey
from aibridge.recall import open_recall

async def main(url, what):
    async with open_recall(url, ttl_days=7, max_bytes_per_turn=1000) as recalls:
        recall = recalls.of(Actor("alice"), "work")
        if what == "find":
            print(*[turn.content.decode() for turn in await recall.find([RecallKey("k")])])
        else:
            await recall.keep(HiddenTurn((RecallKey("k"),), b"[1]"))
            os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


async def process(path: Database, what: str) -> bytes:
    command: Sequence[str] = (sys.executable, "-c", PROCESS, path.url, what)
    async with asyncio.timeout(30):
        child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await child.communicate()
    return output


async def test_another_process_finds_it(path: Database) -> None:
    async with open_recall(path.url, ttl_days=7, max_bytes_per_turn=1000) as recalls:
        await recalls.of(ALICE, "work").keep(a_turn(b"[1]", "k"))
        assert await process(path, "find") == b"[1]\n"


async def test_what_is_kept_outlives_a_process_that_is_killed(path: Database) -> None:
    await process(path, "keep")
    async with open_recall(path.url, ttl_days=7, max_bytes_per_turn=1000) as recalls:
        assert contents(await recalls.of(ALICE, "work").find(keys("k"))) == [b"[1]"]


async def test_where_there_can_be_no_database_it_says_so(tmp_path: Database) -> None:
    with pytest.raises(StoreError, match="make the directory"):
        async with open_recall(f"sqlite:///{tmp_path}/no/a.db", ttl_days=7, max_bytes_per_turn=1000):
            pass


async def test_a_million_years_are_a_hundred(opened: Open, path: Database) -> None:
    recalls = await opened(ttl_days=365_000_000)
    await recalls.of(ALICE, "work").keep(a_turn(b"[1]", "k"))
    assert query(path, "SELECT expires_at FROM aibridge_hidden_turns") == [("2126-10-27 12:00:00.000000",)]


async def test_what_has_expired_is_swept_away_at_the_start_and_every_hour(
    opened: Open, path: Database, clock: Clock, pauses: Pauses
) -> None:
    async with asyncio.timeout(10):
        earlier = (await opened()).of(ALICE, "work")
        await earlier.keep(a_turn(b"[1]", *(f"{number:03}" for number in range(250))))
        clock.advance(days=6)
        await earlier.keep(a_turn(b"[1]", "later"))
        clock.advance(days=1)
        await opened(sleep=pauses)
        for left in (151, 51):
            await pauses.began.wait()
            assert len(digests_in(path)) == left
            pauses.end()
        await pauses.began.wait()
        assert digests_in(path) == ["later"]
        clock.advance(days=7)
        pauses.end()
        await pauses.began.wait()
    assert digests_in(path) == []
    assert pauses.asked == [0.1, 0.1, SWEEP_SECONDS, SWEEP_SECONDS]


async def test_nothing_runs_when_it_is_closed(path: Database) -> None:
    async with open_recall(path.url, ttl_days=7, max_bytes_per_turn=1000) as recalls:
        mine = recalls.of(ALICE, "work")
        await mine.keep(a_turn(b"[1]", "k"))
        await mine.find(keys("l"))
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("aibridge-recall")]
    assert len(threads) == 2
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_failure_inside_closes_it_too(path: Database) -> None:
    with pytest.raises(LookupError):
        async with open_recall(path.url, ttl_days=7, max_bytes_per_turn=1000):
            raise LookupError
    assert asyncio.all_tasks() == {asyncio.current_task()}
