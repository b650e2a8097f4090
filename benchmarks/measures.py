"""The measurements. Each takes the systems in turn, again and again, so that noise meets all of them alike."""

from __future__ import annotations

import asyncio
import re
import statistics
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec

from benchmarks import load, request
from benchmarks.cpu import cpu_seconds, resident_mib
from benchmarks.effort import Effort
from benchmarks.processes import Process
from benchmarks.script import CHUNK_SECONDS

Series = dict[str, list[float]]
"""By system, a value for each repeat."""

BULK = 200
"""The chunks of a stream that arrives at once."""

_CONCURRENCY = 16
_ANSWER = 20  # the chunks of a turn's last round
_QUIET_SECONDS = 0.06  # longer than the recorder waits for company
_IDLE_SHARE = 0.01  # of a processor
_SETTLING_SECONDS = 2.0

_HELD = re.compile(rb'"content":"(\d+\.\d+)"')


async def blocking(systems: Sequence[Process], effort: Effort) -> Series:
    """CPU of a request that is answered in one piece, in µs."""

    async def one(system: Process) -> float:
        return await _cpu(system, request.completion(system, "blocking"), effort.blocking) * 1e6

    return await _interleaved(systems, effort.repeats, one)


async def bulk(systems: Sequence[Process], effort: Effort) -> Series:
    """CPU of a chunk where 200 arrive at once, its share of the request included, in µs."""

    async def one(system: Process) -> float:
        return await _cpu(system, request.completion(system, "bulk", BULK), effort.bulk) / BULK * 1e6

    return await _interleaved(systems, effort.repeats, one)


async def paced(systems: Sequence[Process], effort: Effort) -> Series:
    """CPU of a chunk where they come 10 ms apart, its share of the request included, in µs."""

    async def one(system: Process) -> float:
        message = request.completion(system, "paced", effort.chunks)
        async with load.connections(system, effort.paced) as opened:
            spent = await _spent(system, load.ask_staggered(opened, message, CHUNK_SECONDS))
        return spent / (effort.paced * effort.chunks) * 1e6

    return await _interleaved(systems, effort.repeats, one)


async def first_token(systems: Sequence[Process], effort: Effort) -> Series:
    """Time to the first token beyond what the provider held it back, one request at a time, in ms."""

    async def one(system: Process) -> float:
        message = request.completion(system, "first")
        async with load.connections(system, 1) as [connection]:
            await connection.ask(message)
            answers = [await connection.ask(message) for _ in range(effort.tokens)]
        return statistics.median(answer.first - _held(answer) for answer in answers) * 1e3

    return await _interleaved(systems, effort.repeats, one)


async def injected(gateway: Process, upstream: Process, mcp_server: Process, effort: Effort) -> Series:
    """What an injected round takes, in ms.

    All of it: a turn with one minus a turn without. Its own: minus also a plain request in CPU, and in time minus what
    the provider and the tool take when asked directly.
    """
    series: Series = {"all CPU": [], "own CPU": [], "all time": [], "own time": []}
    turn, plain, short = (request.completion(gateway, *script) for script in _TURNS)
    direct = request.completion(upstream, *_TURNS[2])
    for _ in range(effort.repeats):
        cpu = [await _cpu(gateway, message, effort.rounds) * 1e3 for message in (turn, plain, short)]
        series["all CPU"].append(cpu[0] - cpu[1])
        series["own CPU"].append(cpu[0] - cpu[1] - cpu[2])
        tool_before = await _tool_seconds(mcp_server)
        time = [await _time(gateway, message, effort.rounds) * 1e3 for message in (turn, plain)]
        tool = (await _tool_seconds(mcp_server) - tool_before) / (effort.rounds + 1) * 1e3
        series["all time"].append(time[0] - time[1])
        series["own time"].append(time[0] - time[1] - tool - await _time(upstream, direct, effort.rounds) * 1e3)
    return series


_TURNS = (("tool", _ANSWER), ("bulk", _ANSWER), ("bulk", 1))  # with a call, without one, and a round that is a call


async def memory(system: Process, streams: int) -> float:
    """What a process holds while so many streams are open, in MiB."""
    message = request.completion(system, "idle")
    async with load.connections(system, streams) as opened, asyncio.timeout(load.SECONDS):
        for start in range(0, streams, _CONCURRENCY):
            await asyncio.gather(*(connection.begin(message) for connection in opened[start : start + _CONCURRENCY]))
        await _settled(system)
        return resident_mib(system.pid)


async def warm_up(system: Process, *, tools: bool) -> None:
    """Runs every script a little, and looks whether the answers are whole. Raises RuntimeError where they are not."""
    scripts = [("blocking", 0, 100), ("bulk", BULK, 20), ("paced", 5, 10), ("first", 0, 5)]
    scripts += [("tool", _ANSWER, 20)] if tools else []
    async with load.connections(system, 4) as opened:
        for script, number, count in scripts:
            message = request.completion(system, script, number)
            _check(script, number, (await opened[0].ask(message)).body)
            await load.ask_in_turn(opened, message, count)


def _check(script: str, number: int, body: bytes) -> None:
    """A stream has its texts, the finish, the usage and the terminator; of an injected round it shows nothing."""
    if script == "blocking":
        whole = bool(msgspec.json.decode(body)["choices"])
    else:
        events = body.count(b"data: ")
        whole = events == (number or 1) + 3 and body.endswith(b"data: [DONE]\n\n") and b"tool_calls" not in body
    if not whole:
        raise RuntimeError(f"{script}-{number} was answered with {body[:500]!r} … {body[-200:]!r}")


async def _interleaved(systems: Sequence[Process], repeats: int, one: Callable[[Process], Awaitable[float]]) -> Series:
    """A B C, B C A, C A B …: none is always the first."""
    series: Series = {system.name: [] for system in systems}
    for repeat in range(repeats):
        start = repeat % len(systems)
        for system in [*systems[start:], *systems[:start]]:
            series[system.name].append(await one(system))
    return series


async def _cpu(system: Process, message: bytes, count: int) -> float:
    """The CPU seconds of one request, where many are under way."""
    async with load.connections(system, _CONCURRENCY) as opened:
        await load.ask_in_turn(opened, message, len(opened))
        return await _spent(system, load.ask_in_turn(opened, message, count)) / count


async def _time(system: Process, message: bytes, count: int) -> float:
    """The mean seconds of a request, where it is the only one. One more goes before them."""
    async with load.connections(system, 1) as [connection]:
        await connection.ask(message)
        return statistics.mean([(await connection.ask(message)).whole for _ in range(count)])


async def _spent(system: Process, work: Awaitable[None]) -> float:
    """The CPU seconds that a process spends on some work, and on what it does about it later, such as records."""
    await _settled(system)
    before = cpu_seconds(system.pid)
    await work
    await _settled(system)
    return cpu_seconds(system.pid) - before


async def _settled(system: Process) -> None:
    """Returns once a process does nothing any more."""
    used = -1.0
    with suppress(TimeoutError):  # one that is never quiet is measured all the same
        async with asyncio.timeout(_SETTLING_SECONDS):
            while (now := cpu_seconds(system.pid)) - used > _QUIET_SECONDS * _IDLE_SHARE:
                used = now
                await asyncio.sleep(_QUIET_SECONDS)


async def _tool_seconds(mcp_server: Process) -> float:
    async with load.connections(mcp_server, 1) as [connection]:
        return float((await connection.ask(request.get(mcp_server, "/spent"))).body)


def _held(answer: load.Answer) -> float:
    found = _HELD.search(answer.body)
    if found is None:
        raise RuntimeError(f"no token says how long it was held back: {answer.body[:500]!r}")
    return float(found[1])
