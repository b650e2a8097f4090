"""One gateway's way into the database: `python -m benchmarks.writing URL COUNT`.

Spools so many interceptions first, says how many bytes they take, and waits for a line on its standard input. Then it
takes them in as a gateway's recorder does, and says how many seconds of time and of its own processor that took.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from aibridge.model import (
    Actor,
    Interception,
    Outcome,
    PromptRecord,
    Record,
    ThoughtRecord,
    TokenUsage,
    ToolUsage,
    new_id,
)
from aibridge.recorder.intake import Intake
from aibridge.recorder.rows import Entry, Kind, end_row, interception_row, record_row
from aibridge.recorder.spool import Segment, Spool
from aibridge.store.engine import open_sync_engine

_TOGETHER = 50
"""Interceptions in one write to the spool: a fifth of a second under load."""

_SAID: Sequence[Record] = (
    PromptRecord("Why does the retry budget run out when the provider answers 529 twice in a row?", "resp_1"),
    ThoughtRecord("The cursor must be compared as a pair. Let me look at how it is read.", "thinking"),
    ToolUsage("resp_1", "call_7f3a", "search_issues", b'{"query":"retry budget","limit":30}', injected=True,
              server="tracker", server_url="https://mcp.example/tracker", completed_at=datetime.now(UTC)),
    TokenUsage("resp_1", 1800, 90, cache_read=12_000),
    TokenUsage("resp_2", 2100, 400, cache_read=14_000),
)  # fmt: skip
"""What an interception of two rounds leaves behind, with short texts."""


def interceptions(count: int) -> Iterator[list[Entry]]:
    """The rows of so many, group by group."""
    for begin in range(0, count, _TOGETHER):
        yield [entry for _ in range(min(_TOGETHER, count - begin)) for entry in _one()]


def _one() -> Iterator[Entry]:
    now = datetime.now(UTC)
    asked = Interception(
        id=new_id(now), actor=Actor("ada", metadata={"team": "search"}), provider="anthropic",
        provider_name="anthropic", dialect="messages", method="POST", route="/anthropic/v1/messages",
        model="claude-sonnet-4-5", streaming=True, client="Claude Code", started_at=now, user_agent="claude-cli/2.0",
        session_id="01a1f93c-b063-794a", credential_hint="sk-…abcd",
    )  # fmt: skip
    yield Kind.INTERCEPTION, interception_row(asked, "bench")
    for record in _SAID:
        yield record_row(asked, record, "full", now)
    yield Kind.END, end_row(asked.id, Outcome("completed", 2), now)


def spooled(directory: Path, count: int) -> list[Segment]:
    """So many interceptions in a spool, with each group durable."""
    spool = Spool(directory, "bench")
    for group in interceptions(count):
        spool.append(group)
    segments = spool.seal()
    spool.close()
    return segments


def main(url: str, count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="aibridge-bench-", dir="/var/tmp") as directory:
        segments = spooled(Path(directory), count)
        engine = open_sync_engine(url)
        intake = Intake(engine, lambda lost: sys.exit(f"{lost} rows could not be stored"))
        engine.connect().close()
        print(sum(segment.size - segment.start for segment in segments), flush=True)
        sys.stdin.readline()
        began, used = time.perf_counter(), time.process_time()
        for segment in segments:
            intake.take_in(segment)
        print(time.perf_counter() - began, time.process_time() - used, flush=True)
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
