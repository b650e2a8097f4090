"""The whole recorder on a database that fails under load: nothing waits for it, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from aibridge.model import PromptRecord, TokenUsage
from aibridge.recorder import Recorder, open_recorder
from tests.databases import Postgresql
from tests.outages import OUTAGES, Outage
from tests.recorder.parts import DONE, an_interception
from tests.waiting import eventually

pytestmark = pytest.mark.only_on("postgresql")

SERVED = OUTAGES["postgresql"]


async def serve(recorder: Recorder, name: str) -> None:
    it = an_interception(id=name)
    await recorder.start(it)
    await recorder.record(it, PromptRecord("?", None))
    await recorder.record(it, TokenUsage("r", 1, 1))
    await recorder.finish(it, DONE)


class Load:
    """Callers that ask one thing after another while the block runs."""

    def __init__(self, recorder: Recorder) -> None:
        self.served: list[str] = []
        self._bell = asyncio.Event()
        self._recorder = recorder
        self._names: Iterator[int] = count()

    async def __aenter__(self) -> Load:
        self._callers = [asyncio.create_task(self._ask()) for _ in range(4)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for caller in self._callers:
            caller.cancel()
        for outcome in await asyncio.gather(*self._callers, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), outcome

    async def more(self, number: int = 50) -> None:
        """Returns once so many more were served."""
        enough = len(self.served) + number
        while len(self.served) < enough:
            self._bell.clear()
            await self._bell.wait()

    async def _ask(self) -> None:
        while True:
            name = f"{next(self._names):06}"
            await asyncio.shield(serve(self._recorder, name))
            self.served.append(name)
            self._bell.set()


@pytest.mark.parametrize("outage", SERVED.values(), ids=SERVED)
async def test_under_load_nothing_waits_and_nothing_is_lost(
    database: Postgresql, spool_dir: Path, outage: Outage, lost: list[int]
) -> None:
    async with asyncio.timeout(60), open_recorder(database.url, spool_dir=spool_dir, dropped=lost.append) as recorder:
        async with Load(recorder) as load:
            for _ in range(2):
                await load.more()
                with outage(database, os.getpid()):
                    async with asyncio.timeout(5):
                        await load.more()
                    assert recorder.spooled > 0
        await recorder.flush()
        assert (recorder.report(), recorder.spooled, lost) == ("ok", 0, [])
    rows = database.query("SELECT id, status FROM aibridge_interceptions")
    assert {row["id"] for row in rows} >= {*load.served}
    assert {row["status"] for row in rows} == {"completed"}
    for table in ("user_prompts", "token_usages"):
        ids = [row["id"] for row in database.query(f"SELECT interception_id AS id FROM aibridge_{table}")]  # noqa: S608
        assert sorted(ids) == sorted(row["id"] for row in rows)


async def test_a_silent_server_is_told_and_keeps_nobody_at_the_end(
    database: Postgresql, spool_dir: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING, "aibridge")
    monkeypatch.setattr("aibridge.recorder.drain._SILENCE_SECONDS", 0.05)
    monkeypatch.setattr("aibridge.recorder.drain._CLOSING_SECONDS", 0.1)
    async with asyncio.timeout(10):
        with ExitStack() as frozen:
            async with open_recorder(database.url, spool_dir=spool_dir, close_seconds=0.2) as recorder:
                frozen.enter_context(database.server.frozen())
                await serve(recorder, "i")
                await eventually(lambda: recorder.report() != "ok")
                assert recorder.healthy()
    assert caplog.messages[-2:] == [  # a busy machine may have been silent for so short a time before
        f"the database takes no records (no answer within 0.05 s): they wait in {spool_dir}",
        "4 records are not in the database (no answer within 0.05 s): the next start takes them from the spool",
    ]
    async with asyncio.timeout(20), open_recorder(database.url, spool_dir=spool_dir):
        [row] = database.query("SELECT id, status FROM aibridge_interceptions")
        assert row == {"id": "i", "status": "completed"}
