"""The command line: `python -m benchmarks`.

Exit status: 0 done, 1 a target was missed and --strict asked to be told, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop
from rich.console import Console

from benchmarks import report
from benchmarks.dialects import DIALECTS
from benchmarks.effort import FULL, QUICK
from benchmarks.run import run

RESULTS = Path(__file__).with_name("results.json")

_DISK = Path("/var/tmp")
"""Temporary files that survive a restart: on a disk, where /tmp may be memory, in which nothing is ever durable."""


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process is ended on the way out
    console = Console(width=None if sys.stdout.isatty() else 160)
    effort = QUICK if args.quick else FULL
    dialects = [DIALECTS[args.dialect]] if args.dialect else list(DIALECTS.values())
    with tempfile.TemporaryDirectory(prefix="aibridge-bench-", dir=_DISK if _DISK.is_dir() else None) as directory:
        measured = uvloop.run(run(effort, dialects, Path(directory), _tell))
    outcome = report.results(measured, effort)
    report.write(outcome, args.output)
    report.show(outcome, console)
    console.print(f"Written to {args.output}", style="dim")
    return 1 if args.strict and outcome.missed else 0


def _tell(what: str) -> None:
    print(f"… {what}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measures the gateway beside a bare relay."
    )
    parser.add_argument(
        "--quick", action="store_true", help="within 45 seconds instead of five minutes, and less exact"
    )
    parser.add_argument("--dialect", choices=DIALECTS, help="measures this one alone")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a target is missed")
    parser.add_argument(
        "--output", type=Path, default=RESULTS, metavar="FILE", help=f"default: {RESULTS.name} beside it"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
