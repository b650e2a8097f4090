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
    with tempfile.TemporaryDirectory(prefix="aibridge-bench-", dir=_DISK if _DISK.is_dir() else None) as directory:
        measured = uvloop.run(run(effort, Path(directory), lambda what: print(f"… {what}", file=sys.stderr)))
    outcome = report.results(measured, effort)
    report.write(outcome, args.output)
    report.show(outcome, console)
    console.print(f"Written to {args.output}", style="dim")
    missed = [target for target in outcome.targets if not target.reached]
    return 1 if args.strict and missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measures the gateway beside a bare relay."
    )
    parser.add_argument("--quick", action="store_true", help="within half a minute instead of four, and less exact")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where a target is missed")
    parser.add_argument(
        "--output", type=Path, default=RESULTS, metavar="FILE", help=f"default: {RESULTS.name} beside it"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
