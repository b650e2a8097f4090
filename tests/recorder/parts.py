"""What the recorder's tests are made of: interceptions, a look into the database, and a disk that fails."""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, event

from aibridge.model import Actor, Interception, Outcome
from aibridge.recorder.frames import encode, read
from aibridge.recorder.rows import Entry, Row
from aibridge.recorder.spool import Segment, Spool
from tests.databases import Database

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DONE = Outcome("completed", 1)


def an_interception(**changes: Any) -> Interception:
    usual: dict[str, Any] = {
        "id": str(uuid4()),
        "actor": Actor("alice"),
        "provider": "openai",
        "provider_name": "work",
        "dialect": "responses",
        "method": "POST",
        "route": "/work/v1/responses",
        "model": "gpt-5",
        "streaming": True,
        "client": "Codex",
        "started_at": NOON,
    }
    return Interception(**(usual | changes))


def one(database: Database, table: str) -> dict[str, Any]:
    [row] = database.query(f"SELECT * FROM aibridge_{table}")  # noqa: S608  a name of ours
    return row


class Statements:
    """Tells of a SQLite database's statements right before they run, on the thread that runs them."""

    def __init__(self, engine: Engine) -> None:
        self._acts: list[tuple[str, Callable[[], object]]] = []
        event.listen(engine, "checkout", lambda connection, *_: connection.set_trace_callback(self._told))

    def before(self, start: str, act: Callable[[], object]) -> None:
        """Acts before each statement that starts like this."""
        self._acts.append((start, act))

    def signal(self, start: str) -> asyncio.Event:
        """Set before each statement that starts like this."""
        happened, loop = asyncio.Event(), asyncio.get_running_loop()
        self.before(start, lambda: loop.call_soon_threadsafe(happened.set))
        return happened

    def hold(self, start: str) -> asyncio.Event:
        """Holds each statement that starts like this up until the event is set."""
        may_go_on, loop = asyncio.Event(), asyncio.get_running_loop()
        self.before(start, lambda: asyncio.run_coroutine_threadsafe(may_go_on.wait(), loop).result(5))
        return may_go_on

    def _told(self, statement: str) -> None:
        for start, act in self._acts:
            if statement.startswith(start):
                act()


class Clock:
    """A clock that stands still until it is told, and a sleep that moves it."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Pauses:
    """Stands in for asyncio.sleep: tells that somebody pauses, and lets them go on when the test says so."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.began = asyncio.Event()
        self._over = asyncio.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.began.set()
        await self._over.acquire()

    def end(self) -> None:
        self.began.clear()
        self._over.release()


class SickSpool(Spool):
    """A spool on a disk that fails or hangs when the test says so."""

    def __init__(self, directory: Path, instance_id: str) -> None:
        super().__init__(directory, instance_id)
        self.sick: int | None = None
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.groups: list[int] = []

    def append(self, entries: Sequence[Entry]) -> list[Row]:
        assert self.may_go_on.wait(5)
        if self.sick is not None:
            raise OSError(self.sick, os.strerror(self.sick))
        self.groups.append(len(entries))
        return super().append(entries)


def as_read(*entries: Entry) -> list[Entry]:
    """What comes out of the spool when these went in."""
    data = encode(entries)
    return [entry for found, _ in read(BytesIO(data), len(data)) for entry in found]


def segments_of(segments: list[Segment]) -> list[Entry]:
    """The entries in these files."""
    return [
        entry
        for segment in segments
        for found, _ in read(BytesIO(segment.path.read_bytes()), segment.size)
        for entry in found
    ]
