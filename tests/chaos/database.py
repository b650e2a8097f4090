"""The database is made unavailable, and its disk is filled, while traffic goes on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from tests.chaos import trail
from tests.chaos.disk import Disk, tmpfs
from tests.chaos.gauges import Sample, at_rest, sample
from tests.chaos.ledger import Ledger
from tests.chaos.postgres import postgres
from tests.chaos.scenario import Outcome
from tests.chaos.traffic import traffic
from tests.chaos.world import Gateway, World, running

CLIENTS = 16
PEACE = 3.0  # seconds before, between and after the outages
CATCHING_UP = 60.0  # seconds within which everything has arrived

_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


async def database(world: World, seconds: float) -> Outcome:
    """So many seconds of each. No request fails, and every record arrives."""
    outcome = Outcome("database")
    async with tmpfs(world.home / "small") as disk:
        if disk is None:
            outcome.figures["disk full"] = "not run: this user may not mount a tmpfs"
        home = disk.directory if disk else world.home
        recorder = {"url": f"sqlite:///{home / 'aibridge.db'}", "spool_dir": str(world.home / "spool")}
        gateway = world.gateway("database", recorder=recorder)
        async with running(gateway):
            async with traffic(gateway.origin, f"{world.seed}:database", count=CLIENTS) as ledger:
                await asyncio.sleep(PEACE)
                await _outage(outcome, "locked", _locked(home / "aibridge.db"), gateway, seconds, ledger)
                if disk:
                    await _outage(outcome, "disk full", _full(disk), gateway, seconds, ledger)
            await _judge(outcome, gateway, ledger)
    return outcome.end()


async def _outage(
    outcome: Outcome,
    name: str,
    trouble: AbstractAsyncContextManager[None],
    gateway: Gateway,
    seconds: float,
    ledger: Ledger,
) -> None:
    """An outage, and a while of peace."""
    asked = len(ledger.requests)
    async with trouble:
        outcome.say(f"the database is {name}")
        await asyncio.sleep(seconds)
        kept = await sample(gateway)
    outcome.say(f"it is back; {kept.unrecorded} records wait, {len(ledger.requests) - asked} requests came meanwhile")
    outcome.figures |= {f"{name}: requests": len(ledger.requests) - asked, f"{name}: records kept": kept.unrecorded}
    outcome.expect(kept.unrecorded, f"nothing had to wait while the database was {name}: there was no outage")
    await asyncio.sleep(PEACE)


async def _judge(outcome: Outcome, gateway: Gateway, ledger: Ledger) -> None:
    after: Sample = await at_rest(gateway, None, CATCHING_UP)
    outcome.figures |= {**ledger.figures(), "still waiting": after.unrecorded}
    outcome.expect(not after.unrecorded, f"{after.unrecorded} records still wait after {CATCHING_UP:g} s")
    failed = list(ledger.seen("nothing", "error", "cut", "odd", "hung"))
    for asked in failed[:5]:
        outcome.expect(False, f"{asked} failed, seen as {asked.seen}: {asked.last[-300:]!r}")
    outcome.expect(not failed, f"{len(failed)} requests failed in all")
    outcome.expect(await gateway.stop() == 0, "it did not exit with 0")
    outcome.add(trail.compare(ledger, trail.read(gateway.database)))


async def postgresql(world: World, seconds: float) -> Outcome:
    """The same on PostgreSQL, whose server is frozen: it is there and does not answer."""
    outcome = Outcome("postgresql")
    async with postgres(world.home / "server") as server:
        if server is None:
            outcome.figures["frozen"] = "not run: PostgreSQL is not here"
            return outcome.end()
        recorder = {"url": server.url, "spool_dir": str(world.home / "spool-postgresql")}
        gateway = world.gateway("postgresql", recorder=recorder)
        async with running(gateway):
            async with traffic(gateway.origin, f"{world.seed}:postgresql", count=CLIENTS) as ledger:
                await asyncio.sleep(PEACE)
                await _outage(outcome, "frozen", server.frozen(), gateway, seconds, ledger)
            await _judge(outcome, gateway, ledger)
    return outcome.end()


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """Another process holds the file's lock."""
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", _HOLD, path, stdin=pipe, stdout=pipe)
    try:
        assert holder.stdout is not None
        await holder.stdout.readline()
        yield
    finally:
        await holder.communicate(b"")


@asynccontextmanager
async def _full(disk: Disk) -> AsyncIterator[None]:
    """There is no room on the database's disk."""
    filler = asyncio.create_task(disk.stay_full())
    try:
        yield
    finally:
        filler.cancel()
        await asyncio.wait([filler])
        disk.free()
