"""`aibridge serve` as users run it: a process with a settings file, and the database that it leaves."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.processes import Process
from tests.waiting import until

COMMAND = Path(sys.executable).with_name("aibridge")

Row = dict[str, Any]

_OVER = "aibridge_interceptions WHERE ended_at IS NOT NULL"


_UNDER_WAY = (
    "aibridge_interceptions_inflight",
    "aibridge_recorder_queue_depth",
    "aibridge_recorder_spooled_records",
)


class Gateway(Process):
    """A gateway that listens."""

    def __init__(self, home: Path, settings: Mapping[str, Any], *options: str) -> None:
        """`home`: an empty directory for its settings and its records."""
        self.database = home / "aibridge.db"
        self.config = home / "mine.yaml"
        self.configure(settings)
        super().__init__([COMMAND, "serve", "--config", self.config, *options], env=environment(), cwd=home)

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Writes its settings, in one stroke."""
        new = self.config.with_suffix(".new")
        new.write_text(json.dumps(_with_defaults(settings, self.database)))  # JSON is YAML too
        new.replace(self.config)

    @property
    def url(self) -> str:
        """Where it listens; waits until it does."""
        return self.wait_for_line(r"aibridge listens on (http://[\d.]+:\d+)")[1]

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(f"{self.url}{path}", trust_env=False, timeout=5)

    def wait_until_ready(self) -> None:
        until(lambda: self.get("/readyz").status_code == 200, 30)

    def rows(self, table: str, interception_id: str) -> list[Row]:
        """What was recorded of one interception, once it is over."""
        self.interception(interception_id)
        return self._rows(f"{table} WHERE interception_id = ?", interception_id)

    def interception(self, interception_id: str, seconds: float = 5) -> Row:
        """One interception, once it is over."""
        (row,) = until(lambda: self._rows(f"{_OVER} AND id = ?", interception_id), seconds)
        return row

    def interceptions(self, count: int = 1, seconds: float = 5) -> list[Row]:
        """All interceptions that are over, once there are so many."""

        def look() -> tuple[list[Row]] | None:
            rows = self._rows(_OVER)
            return (rows,) if len(rows) >= count else None

        (rows,) = until(look, seconds)
        return rows

    def open_interceptions(self) -> list[Row]:
        """Those that are not over yet."""
        return self._rows("aibridge_interceptions WHERE ended_at IS NULL")

    def settle(self) -> None:
        """Returns once nothing is under way, and all that was recorded is in the database."""

        def at_rest() -> bool:
            lines = [line.rpartition(" ") for line in self.get("/metrics").text.splitlines()]
            return not any(float(value) for name, _, value in lines if name.startswith(_UNDER_WAY))

        until(at_rest, 10)

    def _rows(self, which: str, *values: str) -> list[Row]:
        """By a connection of this process, as an operator would look."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(f"SELECT * FROM {which} ORDER BY rowid", values)]  # noqa: S608


@contextmanager
def serving(home: Path, settings: Mapping[str, Any], *options: str) -> Generator[Gateway]:
    """A gateway on a free port, ready to serve."""
    with Gateway(home, settings, *options) as gateway:
        gateway.wait_until_ready()
        yield gateway


def environment(**more: str) -> dict[str, str]:
    """This process's environment without any setting of the gateway's, or key."""
    unwanted = ("AIBRIDGE_", "OPENAI_", "ANTHROPIC_")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)} | more


def _with_defaults(settings: Mapping[str, Any], database: Path) -> dict[str, Any]:
    server = {"port": 0, **settings.get("server", {})}
    return {"recorder": {"url": f"sqlite:///{database}"}, **settings, "server": server}
