"""One run: the processes, each measurement in turn, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measures
from benchmarks.effort import Effort
from benchmarks.measures import Series
from benchmarks.processes import Process, child, gateway

WITH_TOOLS = "gateway, 13 tools"

Tell = Callable[[str], None]
"""Says what is being measured now."""


@dataclass(frozen=True, slots=True)
class House:
    """Everything that runs at once; all but the one that is measured are idle."""

    upstream: Process
    mcp_server: Process
    relay: Process
    lean: Process
    gateway: Process
    with_tools: Process
    unrecorded: Process

    @property
    def systems(self) -> list[Process]:
        """What is compared."""
        return [self.relay, self.gateway, self.with_tools, self.unrecorded, self.lean]


async def run(effort: Effort, directory: Path, tell: Tell) -> dict[str, Series]:
    """Measures everything. The gateways keep their records below `directory`, so let that be on a real disk."""
    with _house(directory) as house:
        tell("warming up")
        for system in house.systems:
            await measures.warm_up(system, tools=system is house.with_tools)
        tell("blocking requests")
        measured = {"blocking": await measures.blocking(house.systems, effort)}
        tell("chunks in bulk")
        measured["bulk"] = await measures.bulk(house.systems, effort)
        tell("chunks 10 ms apart")
        measured["paced"] = await measures.paced(house.systems, effort)
        tell("first tokens")
        measured["first token"] = await measures.first_token([house.upstream, *house.systems], effort)
        tell("injected rounds")
        measured["injected"] = await measures.injected(house.with_tools, house.upstream, house.mcp_server, effort)
        tell("open streams")
        measured["memory"] = await _memory(house, directory / "memory", effort.open_streams)
    return measured


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


async def _memory(house: House, directory: Path, streams: int) -> Series:
    """Of new processes: those that were measured before hold what they needed then."""
    fresh: list[AbstractContextManager[Process]] = [
        child("relay", house.upstream.port),
        gateway(directory, house.upstream, house.mcp_server, name=WITH_TOOLS),
    ]
    series: Series = {}
    for one in fresh:
        with one as system:
            series[f"{system.name}, none open"] = [await measures.memory(system, 1)]
            series[system.name] = [await measures.memory(system, streams)]
    return series
