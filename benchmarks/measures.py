"""The measurements. Each takes the systems in turn or all at once, again and again, so that noise meets them alike."""

from __future__ import annotations

import asyncio
import re
import statistics
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import msgspec

from benchmarks import load, request
from benchmarks.cpu import cpu_seconds, resident_mib
from benchmarks.dialects import Dialect
from benchmarks.effort import Effort
from benchmarks.processes import Process
from benchmarks.script import CHUNK_SECONDS

Series = dict[str, list[float]]
"""By system, a value for each repeat."""

Spoken = Sequence[tuple[Dialect, Sequence[Process]]]
"""What takes turns: some systems in each of some dialects."""

Asked = tuple[list[load.Connection], bytes]
"""The connections to a system, and what it is asked on each."""

BULK = 200
"""The chunks of a stream that arrives at once."""

_CONCURRENCY = 16
_SLICES = 16  # of a repeat: the turns that each system has in it
_ANSWER = 20  # the chunks of a turn's last round
_QUIET_SECONDS = 0.3  # longer than records stay in the spool
_IDLE_SHARE = 0.01  # of a processor
_SETTLING_SECONDS = 2.0

_HELD = re.compile(rb'"(\d+\.\d{6})"')


async def blocking(spoken: Spoken, effort: Effort) -> dict[str, Series]:
    """CPU of a request that is answered in one piece, in µs."""

    async def all_of(dialect: Dialect, systems: Sequence[Process]) -> list[float]:
        messages = [request.post(system, dialect, "blocking") for system in systems]
        return [cost * 1e6 for cost in await _by_turns(systems, messages, effort.blocking)]

    return await _repeated(spoken, effort.repeats, all_of)


async def bulk(spoken: Spoken, effort: Effort) -> dict[str, Series]:
    """CPU of a chunk where 200 arrive at once, its share of the request included, in µs."""

    async def all_of(dialect: Dialect, systems: Sequence[Process]) -> list[float]:
        messages = [request.post(system, dialect, "bulk", BULK) for system in systems]
        return [cost / BULK * 1e6 for cost in await _by_turns(systems, messages, effort.bulk)]

    return await _repeated(spoken, effort.repeats, all_of)


async def paced(spoken: Spoken, effort: Effort) -> dict[str, Series]:
    """CPU of a chunk where they come 10 ms apart, its share of the request included, in µs.

    All systems serve at the same time. What a process costs that is woken again and again hangs on the machine's mood,
    which changes within seconds, more than on anything else.
    """
    chunks = effort.paced * effort.chunks

    async def all_of(dialect: Dialect, systems: Sequence[Process]) -> list[float]:
        messages = [request.post(system, dialect, "paced", effort.chunks) for system in systems]
        async with _connected(systems, effort.paced) as opened:
            work = _at_once([*zip(opened, messages, strict=True)])
            return [seconds / chunks * 1e6 for seconds in await _spent_by(systems, work)]

    return await _repeated(spoken, effort.repeats, all_of)


async def _at_once(asked: Sequence[Asked]) -> None:
    await asyncio.gather(*(load.ask_staggered(opened, message, CHUNK_SECONDS) for opened, message in asked))


async def first_token(dialect: Dialect, systems: Sequence[Process], effort: Effort) -> Series:
    """Time to the first token beyond what the provider held it back, one request at a time, in ms."""

    async def one(dialect: Dialect, system: Process) -> float:
        message = request.post(system, dialect, "first")
        async with load.connections(system, 1) as [connection]:
            await connection.ask(message)
            answers = [await connection.ask(message) for _ in range(effort.tokens)]
        return statistics.median(answer.first - _held(answer) for answer in answers) * 1e3

    return (await _interleaved([(dialect, systems)], effort.repeats, one))[dialect.name]


async def injected(
    dialects: Sequence[Dialect], gateway: Process, upstream: Process, mcp_server: Process, effort: Effort
) -> dict[str, Series]:
    """What an injected round takes, in ms.

    All of it: a turn with one minus a turn without. Its own: minus also a plain request in CPU, and in time minus what
    the provider and the tool take when asked directly.
    """
    series: dict[str, Series] = {dialect.name: {} for dialect in dialects}
    for _ in range(effort.repeats):
        for dialect in dialects:
            cost = {
                **await _round_cpu(dialect, gateway, effort.rounds),
                **await _round_time(dialect, gateway, upstream, mcp_server, effort.rounds),
            }
            for name, value in cost.items():
                series[dialect.name].setdefault(name, []).append(value)
    return series


async def _round_cpu(dialect: Dialect, gateway: Process, count: int) -> dict[str, float]:
    turn, plain, short = [
        await _cpu(gateway, request.post(gateway, dialect, *script), count) * 1e3 for script in _TURNS
    ]
    return {"all CPU": turn - plain, "own CPU": turn - plain - short}


async def _round_time(
    dialect: Dialect, gateway: Process, upstream: Process, mcp_server: Process, count: int
) -> dict[str, float]:
    before = await _tool_seconds(mcp_server)
    turn, plain = [await _time(gateway, request.post(gateway, dialect, *script), count) * 1e3 for script in _TURNS[:2]]
    tool = (await _tool_seconds(mcp_server) - before) / (count + 1) * 1e3
    direct = await _time(upstream, request.post(upstream, dialect, *_TURNS[2]), count) * 1e3
    return {"all time": turn - plain, "own time": turn - plain - tool - direct}


_TURNS = (("tool", _ANSWER), ("bulk", _ANSWER), ("bulk", 1))  # with a call, without one, and a round that is a call


async def memory(dialect: Dialect, system: Process, streams: int) -> float:
    """What a process holds while so many streams are open, in MiB."""
    message = request.post(system, dialect, "idle")
    async with load.connections(system, streams) as opened, asyncio.timeout(load.SECONDS):
        for start in range(0, streams, _CONCURRENCY):
            await asyncio.gather(*(connection.begin(message) for connection in opened[start : start + _CONCURRENCY]))
        await _settled(system)
        return resident_mib(system.pid)


async def warm_up(dialect: Dialect, system: Process, *, tools: bool) -> None:
    """Runs every script a little, and looks whether the answers are whole. Raises RuntimeError where they are not."""
    scripts = [("blocking", 0, 100), ("bulk", BULK, 20), ("paced", 5, 10), ("first", 1, 5)]
    scripts += [("tool", _ANSWER, 20)] if tools else []
    async with load.connections(system, 4) as opened:
        for script, number, count in scripts:
            message = request.post(system, dialect, script, number)
            _check(dialect, script, number, (await opened[0].ask(message)).body)
            await load.ask_in_turn(opened, message, count)


def _check(dialect: Dialect, script: str, number: int, body: bytes) -> None:
    """An answer is whole, and of an injected round it shows nothing."""
    if not (isinstance(msgspec.json.decode(body), dict) if script == "blocking" else dialect.is_whole(body, number)):
        raise RuntimeError(f"{dialect.name}, {script}-{number} was answered with {body[:500]!r} … {body[-200:]!r}")


async def _interleaved(
    spoken: Spoken, repeats: int, one: Callable[[Dialect, Process], Awaitable[float]]
) -> dict[str, Series]:
    """A B C, B C A, C A B … in each dialect: none is always the first."""
    series = _empty(spoken)
    for repeat in range(repeats):
        for dialect, systems in spoken:
            start = repeat % len(systems)
            for system in [*systems[start:], *systems[:start]]:
                series[dialect.name][system.name].append(await one(dialect, system))
    return series


async def _repeated(
    spoken: Spoken, repeats: int, all_of: Callable[[Dialect, Sequence[Process]], Awaitable[list[float]]]
) -> dict[str, Series]:
    """The same of measures that take all systems together."""
    series = _empty(spoken)
    for _ in range(repeats):
        for dialect, systems in spoken:
            for system, cost in zip(systems, await all_of(dialect, systems), strict=True):
                series[dialect.name][system.name].append(cost)
    return series


def _empty(spoken: Spoken) -> dict[str, Series]:
    return {dialect.name: {system.name: [] for system in systems} for dialect, systems in spoken}


async def _cpu(system: Process, message: bytes, count: int) -> float:
    """The CPU seconds of one request, where many are under way."""
    async with load.connections(system, _CONCURRENCY) as opened:
        await load.ask_in_turn(opened, message, len(opened))
        return await _spent(system, load.ask_in_turn(opened, message, count)) / count


async def _by_turns(systems: Sequence[Process], messages: Sequence[bytes], count: int) -> list[float]:
    """The CPU seconds of one request of each system. They take turns so short that the machine is the same to all."""
    async with _connected(systems, _CONCURRENCY) as opened:
        asked = [*zip(opened, messages, strict=True)]
        await _turn(asked, _CONCURRENCY)
        return [seconds / count for seconds in await _spent_by(systems, _slices(asked, count))]


async def _slices(asked: Sequence[Asked], count: int) -> None:
    """A B C, B C A, C A B …: none always follows the same one, whose records are still being written."""
    size = max(_CONCURRENCY, count // _SLICES)
    for number, done in enumerate(range(0, count, size)):
        first = number % len(asked)
        await _turn([*asked[first:], *asked[:first]], min(size, count - done))


async def _turn(asked: Sequence[Asked], count: int) -> None:
    for opened, message in asked:
        await load.ask_in_turn(opened, message, count)


@asynccontextmanager
async def _connected(systems: Sequence[Process], count: int) -> AsyncGenerator[list[list[load.Connection]]]:
    """So many open connections to each."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(load.connections(system, count)) for system in systems]


async def _time(system: Process, message: bytes, count: int) -> float:
    """The mean seconds of a request, where it is the only one. One more goes before them."""
    async with load.connections(system, 1) as [connection]:
        await connection.ask(message)
        return statistics.mean([(await connection.ask(message)).whole for _ in range(count)])


async def _spent(system: Process, work: Awaitable[object]) -> float:
    [seconds] = await _spent_by([system], work)
    return seconds


async def _spent_by(systems: Sequence[Process], work: Awaitable[object]) -> list[float]:
    """The CPU seconds that each process spends on some work, and on what it does about it later, such as records."""
    for system in systems:
        await _settled(system)
    before = [cpu_seconds(system.pid) for system in systems]
    await work
    for system in systems:
        await _settled(system)
    return [cpu_seconds(system.pid) - used for system, used in zip(systems, before, strict=True)]


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
