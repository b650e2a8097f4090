"""`aibridge export`: the audit records on standard output, for spreadsheets and other programs."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from aibridge.cli.common import Commands, add_command, configured, quiet

if TYPE_CHECKING:
    from aibridge.audit.encoding import Format
    from aibridge.audit.queries.filters import Filters

DESCRIPTION = """\
Writes audit records to standard output, oldest first, however many there are: interceptions with
their totals, or usage with a row for each round and who asked for it. Money is in millionths of a
US dollar (cost_micros). In CSV, text that a spreadsheet would run as a formula has an apostrophe before it.
"""

EXAMPLES = """\
  aibridge export interceptions --format csv --since 7d > interceptions.csv
  aibridge export usage --format jsonl --since 2026-11-01 --until 2026-12-01 --actor ada
"""


def add(commands: Commands) -> None:
    parser = add_command(
        commands, "export", run, summary="write the audit records as CSV or JSON lines", description=DESCRIPTION,
        examples=EXAMPLES,
    )  # fmt: skip
    parser.add_argument("kind", choices=("interceptions", "usage"), help="what is written")
    parser.add_argument("--format", choices=("csv", "jsonl"), required=True, help="for a spreadsheet, or for a program")
    parser.add_argument("--since", metavar="TIME", help="started then or later: 2026-11-20, or an age such as 24h, 7d")
    parser.add_argument("--until", metavar="TIME", help="started before then")
    parser.add_argument("--actor", metavar="NAME", help="this person's alone")


def run(args: argparse.Namespace) -> int:
    import asyncio
    from datetime import UTC, datetime

    from aibridge.audit.queries.filters import parse

    quiet()
    given = {name: getattr(args, name) or "" for name in ("since", "until", "actor")}
    filters = parse(given, datetime.now(UTC))
    asyncio.run(_write(configured(args).recorder.url, args.kind, filters, args.format))
    return 0


async def _write(url: str, kind: str, filters: Filters, form: Format) -> None:
    from aibridge.audit.exports import export
    from aibridge.store.engine import open_engine
    from aibridge.store.migrate import migrate

    engine = open_engine(url)
    try:
        await migrate(engine)
        async for piece in export(engine, kind, filters, form):
            sys.stdout.buffer.write(piece)
    finally:
        await engine.dispose()
    sys.stdout.buffer.flush()
