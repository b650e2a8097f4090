"""docs/clients as data: what each page tells its reader to write and to run, and what it says will be recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs/clients"
ADDRESS = "http://127.0.0.1:8080"  # the gateway's, on every page
QUESTION = "What is 2 plus 3?"

_FILE = re.compile(r"^`([^`]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """One client."""

    name: str
    title: str
    tried: str  # versions, and by which target; "no"
    routes: frozenset[str]
    client: str  # its name in the records
    session: bool  # whether the records have its session
    files: dict[str, str]  # by path: `~/…`, or in the working directory
    commands: list[str]  # shell, each asking QUESTION

    @property
    def versions(self) -> list[str]:
        return re.findall(r"\d+(?:\.\d+)+", self.tried)

    @property
    def programs(self) -> set[str]:
        """What the commands run."""
        return {line.split()[0] for command in self.commands for line in _lines(command)} - {"export"}

    @property
    def by_e2e(self) -> bool:
        return "by `make e2e`" in self.tried or self.needs_all

    @property
    def needs_all(self) -> bool:
        """Whether `make e2e` leaves it out unless it is told to run all."""
        return "by `make e2e CLIENTS=all`" in self.tried


def _lines(command: str) -> list[str]:
    return command.replace("\\\n", "").splitlines()


def pages() -> list[Page]:
    return [_page(path) for path in sorted(DOCS.glob("*.md")) if path.stem != "README"]


def index() -> Iterator[tuple[str, list[str]]]:
    """The index's rows: the page's name, and the other cells."""
    for row in re.findall(r"^\| \[.*\|$", (DOCS / "README.md").read_text(), re.MULTILINE):
        link, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        yield link, cells


def _page(path: Path) -> Page:
    text = path.read_text()
    facts = dict(re.findall(r"^\| (tried|calls|recorded as) \| (.+) \|$", text, re.MULTILINE))
    client, _, more = facts["recorded as"].partition(",")
    return Page(
        path.stem,
        text.partition("\n")[0].removeprefix("# "),
        facts["tried"],
        frozenset(re.findall(r"`([^`]+)`", facts["calls"])),
        client.strip("`"),
        "with its session" in more,
        dict(_FILE.findall(text)),
        _COMMAND.findall(text.partition("\n## Ask\n")[2].partition("\n## ")[0]),
    )
