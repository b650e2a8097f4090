"""What a run came to: tables for people, and results.json for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.effort import Effort
from benchmarks.figures import Figure, Measured, Values, Verdict, difference, figure, ratio, verdicts
from benchmarks.run import WITH_TOOLS

PACKAGES = (
    "aibridge",
    "aiohttp",
    "httptools",
    "httpx2",
    "mcp",
    "msgspec",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "uvloop",
)

_SYSTEMS = {"gateway": "gateway", WITH_TOOLS: WITH_TOOLS, "unrecorded": "not recording", "lean": "aiohttp relay"}
_CPU = {"blocking": "a blocking request", "bulk": "a chunk, 200 at once", "paced": "a chunk, 10 ms apart"}


@dataclass(frozen=True, slots=True)
class Results:
    """All that is known of a run. Values are the repeats' in order; `units` says what they are."""

    at: datetime
    machine: dict[str, str | int]
    versions: dict[str, str]
    effort: Effort
    units: dict[str, str]
    measured: Measured
    ratios: dict[str, dict[str, Figure]]
    targets: list[Verdict]


def results(measured: Measured, effort: Effort) -> Results:
    return Results(
        at=datetime.now(UTC),
        machine={"system": platform.platform(), "cpus": os.cpu_count() or 0, "python": platform.python_version()},
        versions={package: version(package) for package in PACKAGES},
        effort=effort,
        units={
            "blocking": "µs of CPU a request",
            "bulk": "µs of CPU a chunk",
            "paced": "µs of CPU a chunk",
            "first token": "ms beyond the provider's own time",
            "injected": "ms a round",
            "memory": "MiB",
        },
        measured=measured,
        ratios={name: _ratios(measured, name) for name in _CPU},
        targets=verdicts(measured),
    )


def write(outcome: Results, path: Path) -> None:
    """Writes the results as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(outcome), indent=2) + b"\n")


def show(outcome: Results, console: Console) -> None:
    """Prints the tables."""
    measured = outcome.measured
    console.print(_cpu_table(measured, outcome.ratios))
    console.print(_latency_table(measured))
    console.print(_memory_table(measured, outcome.effort.open_streams))
    console.print(_target_table(outcome.targets))
    console.print(f"Medians of {outcome.effort.repeats} repeats, in brackets their middle half.", style="dim")


def _cpu_table(measured: Measured, ratios: dict[str, dict[str, Figure]]) -> Table:
    table = _table("CPU, as a multiple of the bare relay's", "of", "bare relay", *_SYSTEMS.values())
    for name, title in _CPU.items():
        relay = f"{figure(measured[name]['relay']).median:.1f} µs"
        table.add_row(title, relay, *(_spread(ratios[name][system], "×") for system in _SYSTEMS))
    more = [figure(difference(measured, "bulk", system, "relay")) for system in _SYSTEMS]
    table.add_row("  … µs more than the relay", "", *(_spread(one) for one in more))
    return table


def _latency_table(measured: Measured) -> Table:
    table = _table("Time that is added, ms", "what", "ms")
    first = "first token"
    for system, title in {"relay": "bare relay", **_SYSTEMS}.items():
        table.add_row(f"to the first token: {title}", _spread_of(difference(measured, first, system, "upstream")))
    table.add_row("  … of it the durable start", _spread_of(difference(measured, first, "gateway", "unrecorded")))
    for name, values in measured["injected"].items():
        table.add_row(f"an injected round: {name}", _spread_of(values))
    return table


def _memory_table(measured: Measured, streams: int) -> Table:
    table = _table("Memory, MiB", "process", "at rest", f"{streams} open streams")
    memory = measured["memory"]
    for system in ("relay", WITH_TOOLS):
        at_rest, busy = memory[f"{system}, none open"][0], memory[system][0]
        table.add_row(system, f"{at_rest:.0f}", f"{busy:.0f}")
    return table


def _target_table(targets: Sequence[Verdict]) -> Table:
    table = _table("Targets", "target", "at most", "measured", "reached")
    for target in targets:
        reached = "[green]yes[/]" if target.reached else "[red]no[/]"
        table.add_row(target.name, f"{target.limit:g} {target.unit}", _spread(target.value), reached)
    return table


def _ratios(measured: Measured, name: str) -> dict[str, Figure]:
    return {system: figure(ratio(measured, name, system, "relay")) for system in _SYSTEMS}


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _spread_of(values: Values) -> str:
    return _spread(figure(values))


def _spread(one: Figure, unit: str = "") -> str:
    return f"{one.median:.2f}{unit} ({one.low:.2f}–{one.high:.2f})"
