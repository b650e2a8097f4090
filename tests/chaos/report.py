"""What a run came to: a table for people, a file for programs, and the logs of gateways that broke a promise."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.chaos.scenario import Outcome


def write(outcomes: Sequence[Outcome], seed: str, path: Path) -> None:
    """Writes the outcomes as JSON."""
    results = {
        "at": datetime.now(UTC),
        "machine": {"system": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()},
        "seed": seed,
        "scenarios": {
            one.name: {"seconds": one.seconds, "figures": one.figures, "broken": one.broken} for one in outcomes
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def show(outcomes: Sequence[Outcome], seed: str) -> None:
    """Prints the figures, then each broken promise in a line."""
    console = Console(width=None if os.isatty(1) else 160)
    table = Table(
        "scenario", "figure", "value", title=f"What was left of it (seed {escape(seed)})", title_justify="left"
    )
    for outcome in outcomes:
        table.add_row(f"[bold]{outcome.name}[/]", "seconds", str(outcome.seconds))
        for name, value in outcome.figures.items():
            table.add_row("", escape(name), escape(str(value)))
        table.add_section()
    console.print(table)
    for outcome in outcomes:
        for promise in outcome.broken:
            console.print(f"[red]broken[/]  {outcome.name}: {escape(promise)}", soft_wrap=True)
    if not any(outcome.broken for outcome in outcomes):
        console.print("[green]Every promise was kept.[/]")


def keep_logs(home: Path, output: Path, outcomes: Sequence[Outcome]) -> None:
    """Copies the logs of the gateways that broke a promise beside the output, for they go with their directory."""
    for outcome in outcomes:
        for log in home.glob(f"{outcome.name}*/log") if outcome.broken else ():
            output.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(log, output.with_name(f"{log.parent.name}.log"))
