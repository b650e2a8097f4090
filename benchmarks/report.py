"""What a run came to: tables for people, and results.json for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.effort import Effort
from benchmarks.figures import (
    OF_EACH,
    SHARED,
    Figure,
    Measured,
    Measures,
    Values,
    Verdict,
    difference,
    figure,
    ratio,
    verdicts,
)
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


_UNITS = {
    "blocking": "µs of CPU a request",
    "bulk": "µs of CPU a chunk",
    "paced": "µs of CPU a chunk",
    "injected": "ms a round",
    "recall": "ms of CPU",
    "first token": "ms beyond the provider's own time",
    "memory": "MiB",
}


@dataclass(frozen=True, slots=True)
class Part:
    """What belongs together in a run. Values are the repeats' in order."""

    measured: Measures
    targets: list[Verdict]
    ratios: dict[str, dict[str, Figure]] = field(default_factory=dict)  # to the bare relay, by measure and system


@dataclass(frozen=True, slots=True)
class Results:
    """All that is known of a run; `units` says what the values are."""

    at: datetime
    machine: dict[str, str | int]
    versions: dict[str, str]
    effort: Effort
    units: dict[str, str]
    dialects: dict[str, Part]
    shared: Part

    @property
    def missed(self) -> list[Verdict]:
        """The targets that were not reached."""
        return [
            target for part in (*self.dialects.values(), self.shared) for target in part.targets if not target.reached
        ]


def results(measured: Measured, effort: Effort) -> Results:
    return Results(
        at=datetime.now(UTC),
        machine={"system": platform.platform(), "cpus": os.cpu_count() or 0, "python": platform.python_version()},
        versions={package: version(package) for package in PACKAGES},
        effort=effort,
        units=_UNITS,
        dialects={
            name: Part(measures, verdicts(measures, OF_EACH), {measure: _ratios(measures, measure) for measure in _CPU})
            for name, measures in measured.dialects.items()
        },
        shared=Part(measured.shared, verdicts(measured.shared, SHARED)),
    )


def write(outcome: Results, path: Path) -> None:
    """Writes the results as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(outcome), indent=2) + b"\n")


def show(outcome: Results, console: Console) -> None:
    """Prints the tables."""
    console.print(_cpu_table(outcome.dialects))
    console.print(_round_table(outcome.dialects))
    console.print(_first_token_table(outcome.shared.measured))
    console.print(_memory_table(outcome.shared.measured, outcome.effort.open_streams))
    console.print(_target_table({**outcome.dialects, "all": outcome.shared}))
    console.print(f"Medians of {outcome.effort.repeats} repeats, in brackets their middle half.", style="dim")


def _cpu_table(dialects: Mapping[str, Part]) -> Table:
    table = _table("CPU, as a multiple of the bare relay's", "of", "bare relay", *_SYSTEMS.values())
    for name, part in dialects.items():
        table.add_row(f"[bold]{name}[/]")
        for measure, title in _CPU.items():
            relay = f"{figure(part.measured[measure]['relay']).median:.1f} µs"
            table.add_row(title, relay, *(_spread(one, "×") for one in part.ratios[measure].values()))
        more = (difference(part.measured, "bulk", system, "relay") for system in part.ratios["bulk"])
        table.add_row("  … µs more than the relay", "", *map(_spread_of, more), end_section=True)
    return table


def _round_table(dialects: Mapping[str, Part]) -> Table:
    first, *_ = dialects.values()
    injected = (f"an injected round: {name}" for name in first.measured["injected"])
    table = _table("What the client is not shown, ms", "dialect", *injected, "20 hidden turns put back")
    for name, part in dialects.items():
        values = part.measured["injected"].values()
        table.add_row(name, *map(_spread_of, values), _spread_of(part.measured["recall"]["all"]))
    return table


def _first_token_table(measures: Measures) -> Table:
    table = _table("Time that is added to the first token, ms", "by", "ms")
    for system, title in {"relay": "bare relay", **_SYSTEMS}.items():
        table.add_row(title, _spread_of(difference(measures, "first token", system, "upstream")))
    durable = difference(measures, "first token", "gateway", "unrecorded")
    table.add_row("  … of the gateway's the durable start", _spread_of(durable))
    return table


def _memory_table(measures: Measures, streams: int) -> Table:
    table = _table("Memory, MiB", "process", "at rest", f"{streams} open streams")
    memory = measures["memory"]
    for system in ("relay", WITH_TOOLS):
        at_rest, busy = memory[f"{system}, none open"][0], memory[system][0]
        table.add_row(system, f"{at_rest:.0f}", f"{busy:.0f}")
    return table


def _target_table(parts: Mapping[str, Part]) -> Table:
    table = _table("Targets", "dialect", "target", "at most", "measured", "reached")
    for name, part in parts.items():
        for target in part.targets:
            reached = "[green]yes[/]" if target.reached else "[red]no[/]"
            table.add_row(name, target.name, f"{target.limit:g} {target.unit}", _spread(target.value), reached)
        table.add_section()
    return table


def _ratios(measures: Measures, name: str) -> dict[str, Figure]:
    """Of the systems that were measured."""
    return {system: figure(ratio(measures, name, system, "relay")) for system in _SYSTEMS if system in measures[name]}


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
