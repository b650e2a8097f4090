"""What one process, one machine and several carry: `python -m benchmarks.scale [--postgresql URL]`.

Measures what things cost here, for about three minutes, then simulates working days with that. With the URL of an empty
database on this machine PostgreSQL is measured too, and the days are simulated with it; it is filled.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from aibridge.store import tables
from aibridge.store.engine import open_sync_engine
from benchmarks import audit, load, measures, request
from benchmarks.cpu import cpu_seconds
from benchmarks.day import Costs, Day, Habits, House, Room, simulate
from benchmarks.dialects import DIALECTS, Dialect
from benchmarks.effort import Effort
from benchmarks.figures import figure
from benchmarks.processes import Process, child, gateway
from benchmarks.records import fill
from benchmarks.run import WITH_TOOLS, Tell
from benchmarks.script import CHUNK_SECONDS

_EFFORT = Effort(repeats=3, blocking=200, bulk=8, paced=32, chunks=50, tokens=1, rounds=20)
_STREAMS = 300
_REQUESTS = 800
_CHUNKS = 100
_CARRIED = (50, 100, 150, 200, 250, 300, 400)
_PUNCTUAL = 1.1
"""A stream that takes longer by more than this is late."""

_AT_MOST = 300
"""Seconds that measuring may take before it is given up."""

_TRIES = 3
_REPEATS = 5
_WRITERS = (1, 2, 4)
_EACH = 8_000
_TABLES = (10_000, 100_000)
_DAYS = 7  # in which they were asked
_HOUSES = (
    House(1, 1, 100), House(1, 1, 500), House(1, 1, 700), House(1, 8, 800), House(1, 8, 4_000),
    House(4, 8, 16_000), House(16, 8, 64_000),
)  # fmt: skip

OVERVIEW = "overview, 7 days"

Asked = tuple[int, dict[str, float]]
"""So many interceptions, and the seconds that each page took on them."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What one process did by the clock, on cores that it shared with its clients and its provider."""

    requests: float  # a second, in one piece
    streams: int  # of a hundred chunks a second, at a time and on time


@dataclass(frozen=True, slots=True)
class Written:
    """What so many writers brought into one database at once."""

    writers: int
    rate: float  # interceptions a second, of all together
    writer: float  # seconds of CPU for an interception, of a writer
    server: float | None  # the same of the server, where there is one
    spooled: float  # bytes of an interception in the spool


async def of_a_process(directory: Path) -> tuple[dict[str, float], Carried]:
    """The gateway's costs, named as in Costs, and what it carries."""
    dialect = DIALECTS["messages"]
    with ExitStack() as stack:
        upstream, mcp_server = stack.enter_context(child("upstream")), stack.enter_context(child("mcp_server"))
        system = stack.enter_context(gateway(directory, upstream, mcp_server, name=WITH_TOOLS))
        rest = await measures.memory(dialect, system, 1)
        stream = (await measures.memory(dialect, system, _STREAMS) - rest) / (_STREAMS - 1)
        await measures.warm_up(dialect, system, tools=True)
        blocking = await _median(measures.blocking([(dialect, [system])], _EFFORT), dialect, system.name)
        paced = await _median(measures.paced([(dialect, [system])], _EFFORT), dialect, system.name)
        round_ = await _median(measures.injected([dialect], system, upstream, mcp_server, _EFFORT), dialect, "all CPU")
        by_the_clock = await carried(dialect, system)
    chunk = paced - blocking / _EFFORT.chunks
    costs = {"request": blocking / 1e6, "chunk": chunk / 1e6, "injected": round_ / 1e3}
    return {**costs, "process": rest, "stream": stream}, by_the_clock


async def _median(series: Awaitable[dict[str, measures.Series]], dialect: Dialect, name: str) -> float:
    return figure((await series)[dialect.name][name]).median


async def carried(dialect: Dialect, system: Process) -> Carried:
    """What it carries by the clock."""
    return Carried(await _requests(dialect, system), await _streams(dialect, system))


async def _requests(dialect: Dialect, system: Process) -> float:
    """The best of a few: others on the machine only take away."""
    took = list[float]()
    async with load.connections(system, 32) as opened:
        for _ in range(_TRIES):
            began = time.perf_counter()
            await load.ask_in_turn(opened, request.post(system, dialect, "blocking"), _REQUESTS)
            took.append(time.perf_counter() - began)
    return _REQUESTS / min(took)


async def _streams(dialect: Dialect, system: Process) -> int:
    """The most streams of these that come on time, half of them at least."""
    most, message = 0, request.post(system, dialect, "paced", _CHUNKS)
    for count in _CARRIED:
        took = [await _took(system, message, count) for _ in range(_TRIES)]
        if min(took) > _CHUNKS * CHUNK_SECONDS * _PUNCTUAL:
            break
        most = count
    return most


async def _took(system: Process, message: bytes, count: int) -> float:
    """The median seconds of so many that begin at once."""
    async with load.connections(system, count) as opened:
        return statistics.median(
            [answer.whole for answer in await asyncio.gather(*(connection.ask(message) for connection in opened))]
        )


def written(url: str, writers: int) -> Written:
    """What so many writers bring into the database at once."""
    command = [sys.executable, "-m", "benchmarks.writing", url, str(_EACH)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(writers)
    ]
    try:
        spooled = [int(_said(process)) for process in started]
        before = _server_seconds(url)
        for process in started:
            print(file=process.stdin, flush=True)
        took = [[float(word) for word in _said(process).split()] for process in started]
        after = _server_seconds(url)
    except BaseException:
        for process in started:
            process.kill()
        raise
    finally:
        for process in started:
            with process:
                pass  # it ends by itself, and takes its spool along
    count = writers * _EACH
    server = None if before is None or after is None else (after - before) / count
    rate = count / max(seconds for seconds, _ in took)
    return Written(writers, rate, sum(used for _, used in took) / count, server, sum(spooled) / count)


def _said(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise RuntimeError(f"{process.args!r} ended before it had said what it was to say")
    return line


def _server_seconds(url: str) -> float | None:
    """The processor time of PostgreSQL so far, those of its processes that have ended included; None of SQLite."""
    engine = open_sync_engine(url)
    if engine.dialect.name == "sqlite":
        engine.dispose()
        return None
    with engine.connect() as connection:
        server = psutil.Process(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()).parent()
        assert server is not None
        ended = server.cpu_times()
        used = ended.children_user + ended.children_system
        used += sum(cpu_seconds(process.pid) for process in (server, *server.children()))
    engine.dispose()
    return used


def size(url: str) -> float:
    """Bytes of an interception in the database, its share of all indexes included."""
    engine = open_sync_engine(url)
    asked = "SELECT pg_database_size(current_database())"
    if engine.dialect.name == "sqlite":
        asked = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    with engine.connect() as connection:
        count = connection.execute(select(func.count()).select_from(tables.interceptions)).scalar_one()
        whole: int = connection.exec_driver_sql(asked).scalar_one()
    engine.dispose()
    return whole / count


async def pages(url: str) -> list[Asked]:
    """Seconds of each page by the interceptions of the last days: what is looked at is all there is."""
    found, filled = list[Asked](), 0
    for rows in _TABLES:
        engine = open_sync_engine(url)
        fill(engine, rows - filled, _DAYS - 0.1, now=datetime.now(UTC), seed=rows)
        audit.vacuum(engine)
        engine.dispose()
        filled = rows
        asked = await audit.pages(audit.Place(url, lambda: 0.0), _REPEATS)
        found.append((rows, {name: statistics.median(cost.times) / 1e3 for name, cost in asked.items()}))
    return found


def costs(process: dict[str, float], best: Written, size: float, asked: Sequence[Asked]) -> Costs:
    """What a day is simulated with. The overview's seconds are taken to go on as between the two largest tables."""
    (few, fast), (many, slow) = [(rows, took[OVERVIEW]) for rows, took in asked[-2:]]
    each = max(0.0, slow - fast) / (many - few)
    return Costs(**process, inserts=best.rate, size=size, overview=max(0.0, fast - few * each), overview_each=each)


async def _measured(url: str, directory: Path, tell: Tell) -> Costs:
    """Measures it all, and tells of what came out."""
    process, clock = await of_a_process(directory)
    tell(f"One process: {clock.requests:,.0f} requests/s, {clock.streams} streams of 100 chunks/s on time")
    await audit.prepare(url)
    asked = await pages(url)
    for rows, took in asked:
        slowest = max(took, key=lambda name: took[name])
        tell(f"{rows:,} interceptions: overview {took[OVERVIEW]:.3f} s, slowest {slowest} {took[slowest]:.3f} s")
    ways = [written(url, writers) for writers in _WRITERS]
    for way in ways:
        server = "" if way.server is None else f", of the server {way.server * 1e6:.0f} µs"
        cost = f"{way.writer * 1e6:.0f} µs of a writer{server}"
        tell(
            f"{way.writers} writers: {way.rate:,.0f} interceptions/s; each {cost}, {way.spooled:.0f} bytes of the spool"
        )
    found = size(url)
    tell(f"An interception: {found:,.0f} bytes in the database")
    return costs(process, max(ways, key=lambda way: way.rate), found, asked)


def show(found: Sequence[tuple[House, Day]], console: Console) -> None:
    """A row for each house: how much of each resource its busiest day takes."""
    columns = ("machines × workers", "developers", "requests", "processor", "database", "disk", "overview", "streams",
               "MiB a machine", "late, s", "behind, s", "first")  # fmt: skip
    table = Table(*columns)
    for house, day in found:
        table.add_row(
            f"{house.machines} × {house.workers}", f"{house.developers:,}", f"{day.requests:,}",
            *(f"{load:.2f}" for load in day.loads.values()), f"{day.streams:,}", f"{day.memory:,.0f}",
            f"{day.late:.1f}", f"{day.behind:.1f}", day.first,
        )  # fmt: skip
    console.print(table)
    for house, day in found:
        if house.machines == 1:
            most = ", ".join(f"{name} {developers:,.0f}" for name, developers in day.most(house).items())
            console.print(f"{house.machines} × {house.workers}: enough for so many developers: {most}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--postgresql", metavar="URL", help="an empty database on this machine; else SQLite")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated days")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process is ended on the way out
    signal.signal(
        signal.SIGALRM, lambda *_: sys.exit(f"It has taken {_AT_MOST} s: this machine has too much else to do.")
    )
    signal.alarm(_AT_MOST)
    console = Console(width=None if sys.stdout.isatty() else 160)
    with tempfile.TemporaryDirectory(prefix="aibridge-bench-", dir="/var/tmp") as directory:
        url = args.postgresql or f"sqlite:///{directory}/scale.db"
        found = uvloop.run(_measured(url, Path(directory), console.print))
    signal.alarm(0)
    console.print(asdict(found))
    show([(house, simulate(found, Habits(), house, Room(), args.seed)) for house in _HOUSES], console)


if __name__ == "__main__":
    main()
