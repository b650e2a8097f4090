"""The records of the demo's one interception, read straight from its database as any other program would."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

Row = Mapping[str, object]
Rows = list[Row]


@dataclass(frozen=True, slots=True)
class Records:
    """What the tables hold."""

    interceptions: Rows
    prompts: Rows
    tools: Rows
    tokens: Rows

    @property
    def complete(self) -> bool:
        """Whether every interception has its end, which is written last."""
        return bool(self.interceptions) and all(row["ended_at"] for row in self.interceptions)


async def recorded(database: Path, timeout: float = 5.0) -> Records:
    """The records, once they are complete, or what there is of them after `timeout` seconds."""
    deadline = monotonic() + timeout
    while not (records := read(database)).complete and monotonic() < deadline:  # noqa: ASYNC110  no event crosses files
        await asyncio.sleep(0.05)
    return records


def read(database: Path) -> Records:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return Records(
            interceptions=_rows(connection, "aibridge_interceptions", "started_at"),
            prompts=_rows(connection, "aibridge_user_prompts", "created_at"),
            tools=_rows(connection, "aibridge_tool_usages", "created_at"),
            tokens=_rows(connection, "aibridge_token_usages", "created_at"),
        )


def _rows(connection: sqlite3.Connection, table: str, order: str) -> Rows:
    return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY {order}")]  # noqa: S608  our names
