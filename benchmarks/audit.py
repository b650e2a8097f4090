"""What the audit pages and exports cost on the server: `python -m benchmarks.audit [--postgresql | --url URL]`.

Fills a database of its own with made-up interceptions, asks for each page a few times without a network, and then for
all of them at once as an export. `--postgresql` starts a server for this and ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import getpid
from typing import Any

import psutil
from sqlalchemy import Engine, select
from starlette.types import ASGIApp

from aibridge.audit import open_audit
from aibridge.model import Actor, Headers
from aibridge.ports import Identity
from aibridge.store import tables
from aibridge.store.engine import open_engine, open_sync_engine
from aibridge.store.migrate import migrate
from benchmarks.cpu import cpu_seconds, resident_mib
from benchmarks.records import fill
from tests import postgres

ROWS = 100_000
DAYS = 30
TARGET_MS = 300
_REPEATS = 9
_EXPORTS = ("interceptions", "usage")

Cpu = Callable[[], float]
"""The seconds of processor time that have been used so far, the database's own among them."""


@dataclass(frozen=True, slots=True)
class Place:
    """A database, and what it and this process use."""

    url: str
    cpu: Cpu


@dataclass(slots=True)
class Cost:
    """Of a page: milliseconds by the clock, each time, and of processors on average."""

    times: list[float] = field(default_factory=list)
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Exported:
    """Of an export: how much there was, how long it took, and by how much the process grew meanwhile at most."""

    mib: float
    seconds: float
    grown_mib: float


class Everyone:
    """Identify, for whom everybody is an auditor."""

    async def __call__(self, headers: Headers, peer: str | None = None) -> Identity:
        """Asks nothing."""
        return Identity(Actor("auditor", role="auditor"), None)


async def get(app: ASGIApp, target: str, receiver: Callable[[bytes], None]) -> int:
    """The status of what the application answers; its body goes to the receiver, piece by piece."""
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")], "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
        "asgi": {"version": "3.0", "spec_version": "2.4"},
    }  # fmt: skip
    status = 0

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        receiver(message.get("body", b""))

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app(scope, receive, send)
    return status


async def pages(place: Place, repeats: int = _REPEATS) -> dict[str, Cost]:
    """What each page costs."""
    found: dict[str, Cost] = {}
    async with open_audit(place.url, Everyone()) as apps:
        for name, target in (await _targets(place.url)).items():
            app, cost = apps["/api/v1/" if target.startswith("/api") else "/ui/"], Cost()
            await _ask(app, target)  # with the first, connections and templates are made
            before = place.cpu()
            for _ in range(repeats):
                began = time.perf_counter()
                await _ask(app, target)
                cost.times.append((time.perf_counter() - began) * 1e3)
            cost.cpu = (place.cpu() - before) * 1e3 / repeats
            found[name] = cost
    return found


async def _ask(app: ASGIApp, target: str) -> None:
    body: list[bytes] = []
    status = await get(app, target, body.append)
    assert status == 200, (target, status, b"".join(body)[:200])


async def exports(place: Place) -> dict[str, Exported]:
    """What it costs to export everything, in each form."""
    found: dict[str, Exported] = {}
    async with open_audit(place.url, Everyone()) as apps:
        for kind in _EXPORTS:
            for form in ("csv", "jsonl"):
                found[f"{kind}, {form}"] = await _export(apps["/api/v1/"], f"/api/v1/export/{kind}?format={form}")
    return found


async def _export(app: ASGIApp, target: str) -> Exported:
    size, before, most = 0, resident_mib(getpid()), 0.0

    def weigh(piece: bytes) -> None:
        nonlocal size, most
        size += len(piece)
        most = max(most, resident_mib(getpid()))

    began = time.perf_counter()
    assert await get(app, target, weigh) == 200
    return Exported(size / 2**20, time.perf_counter() - began, most - before)


async def _targets(url: str) -> dict[str, str]:
    engine = open_engine(url)
    async with engine.connect() as connection:
        columns = tables.interceptions.c.id, tables.interceptions.c.client_session_id
        id_, session = (await connection.execute(select(*columns).limit(1))).one()
    await engine.dispose()
    return {
        "overview, 7 days": "/ui/", "overview, 24 hours": "/ui/?since=24h", "overview, 30 days": "/ui/?since=30d",
        "overview of one person, 30 days": "/ui/?since=30d&actor=ada",
        "sessions, 7 days": "/ui/sessions", "sessions, 30 days": "/ui/sessions?since=30d",
        "session": f"/ui/session?id={session}", "requests": "/ui/log",
        "requests that failed": "/ui/log?status=failed", "requests of one person": "/ui/log?actor=ada",
        "requests with a tool": "/ui/log?tool=query",
        "requests, a rare tool": "/ui/log?tool=nothing", "requests, a rare model": "/ui/log?model=nothing",
        "interception": f"/ui/interceptions/{id_}",
        "tools, 7 days": "/ui/tools", "tools, 30 days": "/ui/tools?since=30d", "keys": "/ui/keys",
        "health": "/ui/health", "API: usage by actor, all": "/api/v1/usage?by=actor",
    }  # fmt: skip


async def prepare(url: str) -> None:
    """Makes the tables."""
    engine = open_engine(url)
    await migrate(engine)
    await engine.dispose()


def vacuum(engine: Engine) -> None:
    """What autovacuum would soon do."""
    if engine.dialect.name == "postgresql":
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


@contextmanager
def _place(args: argparse.Namespace) -> Iterator[Place]:
    if args.postgresql:
        with postgres.running() as server:
            yield Place(server.url(server.create()), lambda: _own() + _of_server(server.pid))
    elif args.url:
        yield Place(args.url, _own)
    else:
        with tempfile.TemporaryDirectory(prefix="aibridge-bench-", dir="/var/tmp") as directory:
            yield Place(f"sqlite:///{directory}/audit.db", _own)


def _own() -> float:
    return cpu_seconds(getpid())


def _of_server(pid: int) -> float:
    """PostgreSQL's, with those of its processes that have ended, such as workers of a parallel query."""
    first = psutil.Process(pid)
    ended = first.cpu_times()
    return float(ended.children_user + ended.children_system) + sum(cpu_seconds(one.pid) for one in first.children())


async def _run(args: argparse.Namespace, place: Place) -> None:
    await prepare(place.url)
    engine = open_sync_engine(place.url)
    began = time.perf_counter()
    fill(engine, args.rows, args.days, now=datetime.now(UTC))
    print(f"{args.rows:,} interceptions over {args.days} days in {time.perf_counter() - began:.0f} s")
    vacuum(engine)
    engine.dispose()
    show(await pages(place))
    show_exports(await exports(place))


def show(found: dict[str, Cost]) -> None:
    """A line for each page."""
    for name, cost in found.items():
        median = statistics.median(cost.times)
        late = "" if median < TARGET_MS else f"   over {TARGET_MS} ms"
        print(f"{name:32} median {median:4.0f} ms   worst {max(cost.times):4.0f} ms   CPU {cost.cpu:4.0f} ms{late}")


def show_exports(found: dict[str, Exported]) -> None:
    """A line for each export."""
    for name, one in found.items():
        print(f"export of {name:22} {one.mib:4.0f} MiB in {one.seconds:4.1f} s, grown by {one.grown_mib:4.1f} MiB")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", help="an empty database; default: SQLite in a directory of its own")
    where.add_argument("--postgresql", action="store_true", help="a server of its own")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--days", type=float, default=DAYS)
    args = parser.parse_args(argv)
    with _place(args) as place:
        asyncio.run(_run(args, place))


if __name__ == "__main__":
    main()
