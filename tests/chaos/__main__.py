"""The command line: `python -m tests.chaos`. Exit status: 0 every promise was kept, 1 one was broken, 2 wrong usage."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tests.chaos import report
from tests.chaos.run import LONG, SCENARIOS, SHORT, UNASKED, run

_DISK = Path("/var/tmp")
"""On a disk, where /tmp may be memory."""


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process is ended on the way out
    size = SHORT if args.short else LONG
    names = args.scenarios or UNASKED
    with tempfile.TemporaryDirectory(prefix="aibridge-chaos-", dir=_DISK if _DISK.is_dir() else None) as home:
        outcomes = uvloop.run(run(names, size.lasting(args.minutes), Path(home), args.seed))
        report.keep_logs(Path(home), args.output, outcomes)
    report.write(outcomes, args.seed, args.output)
    report.show(outcomes, args.seed)
    return 1 if any(outcome.broken for outcome in outcomes) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Faults, and what is left of them.")
    parser.add_argument(
        "scenarios",
        nargs="*",
        type=_scenario,
        metavar="SCENARIO",
        help=f"one of {', '.join(SCENARIOS)} (default: {', '.join(UNASKED)})",
    )
    parser.add_argument("--short", action="store_true", help="within five minutes instead of half an hour")
    parser.add_argument("--minutes", type=float, help="how long network and soak last")
    parser.add_argument("--seed", default="1", help="another one makes other faults (default: 1)")
    parser.add_argument(
        "--output", type=Path, default=Path("build/chaos.json"), metavar="FILE", help="default: %(default)s"
    )
    return parser


def _scenario(name: str) -> str:
    """Its name; argparse's own `choices` would refuse that there is none."""
    if name not in SCENARIOS:
        raise argparse.ArgumentTypeError(f"there is no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    return name


if __name__ == "__main__":
    sys.exit(main())
