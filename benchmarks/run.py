"""One run: the processes, each measurement in turn, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measures
from benchmarks.dialects import Dialect
from benchmarks.effort import Effort
from benchmarks.figures import Measured
from benchmarks.measures import Series, Spoken
from benchmarks.processes import Process, child, gateway
from benchmarks.recall import recall

WITH_TOOLS = "gateway, 13 tools"

Tell = Callable[[str], None]
"""Says what is being measured now."""


@dataclass(frozen=True, slots=True)
class House:
    """Everything that runs at once; those that are not being measured are idle."""

    upstream: Process
    mcp_server: Process
    relay: Process
    lean: Process
    gateway: Process
    with_tools: Process
    unrecorded: Process

    @property
    def compared(self) -> list[Process]:
        """What every dialect is measured on."""
        return [self.relay, self.gateway, self.with_tools]

    @property
    def systems(self) -> list[Process]:
        """The same and what tells where the costs come from, for which one dialect is enough."""
        return [*self.compared, self.unrecorded, self.lean]


async def run(effort: Effort, dialects: Sequence[Dialect], directory: Path, tell: Tell) -> Measured:
    """Measures everything. The gateways keep their records below `directory`, so let that be on a real disk."""
    first, *others = dialects
    with _house(directory) as house:
        spoken: Spoken = [(first, house.systems), *((dialect, house.compared) for dialect in others)]
        tell("warming up")
        for dialect, systems in spoken:
            for system in systems:
                await measures.warm_up(dialect, system, tools=system is house.with_tools)
        of_each = await _of_each(house, spoken, effort, tell)
        tell("first tokens")
        tokens = await measures.first_token(first, [house.upstream, *house.systems], effort)
        tell("open streams")
        memory = await _memory(first, house, directory / "memory", effort.open_streams)
    return Measured(of_each, {"first token": tokens, "memory": memory})


async def _of_each(house: House, spoken: Spoken, effort: Effort, tell: Tell) -> dict[str, dict[str, Series]]:
    """By dialect and measure."""
    dialects = [dialect for dialect, _ in spoken]
    tell("blocking requests")
    measured = {"blocking": await measures.blocking(spoken, effort)}
    tell("chunks in bulk")
    measured["bulk"] = await measures.bulk(spoken, effort)
    tell("chunks 10 ms apart")
    measured["paced"] = await measures.paced(spoken, effort)
    tell("injected rounds")
    measured["injected"] = await measures.injected(dialects, house.with_tools, house.upstream, house.mcp_server, effort)
    tell("hidden turns put back")
    measured["recall"] = {dialect.name: {"all": recall(dialect.name, effort.repeats)} for dialect in dialects}
    return {
        dialect.name: {measure: series[dialect.name] for measure, series in measured.items()} for dialect in dialects
    }


@contextmanager
def _house(directory: Path) -> Generator[House]:
    with ExitStack() as stack:
        enter = stack.enter_context
        upstream, mcp_server = enter(child("upstream")), enter(child("mcp_server"))
        yield House(
            upstream=upstream,
            mcp_server=mcp_server,
            relay=enter(child("relay", upstream.port)),
            lean=enter(child("lean", upstream.port)),
            gateway=enter(gateway(directory, upstream)),
            with_tools=enter(gateway(directory, upstream, mcp_server, name=WITH_TOOLS)),
            unrecorded=enter(gateway(directory, upstream, name="unrecorded", recording=False)),
        )


async def _memory(dialect: Dialect, house: House, directory: Path, streams: int) -> Series:
    """Of new processes: those that were measured before hold what they needed then."""
    fresh: list[AbstractContextManager[Process]] = [
        child("relay", house.upstream.port),
        gateway(directory, house.upstream, house.mcp_server, name=WITH_TOOLS),
    ]
    series: Series = {}
    for one in fresh:
        with one as system:
            series[f"{system.name}, none open"] = [await measures.memory(dialect, system, 1)]
            series[system.name] = [await measures.memory(dialect, system, streams)]
    return series
