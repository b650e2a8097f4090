"""docs/scaling.md: the days that it shows are what its measured costs come to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.day import Costs, Day, Habits, House, Room, simulate

PAGE = (Path(__file__).parents[2] / "docs/scaling.md").read_text()
UNITS = {"µs": 1e-6, "ms": 1e-3, "a second": 1, "bytes": 1, "KiB": 1 / 1024, "MiB": 1}
COSTS = Costs(
    **{
        name: float(cost.replace(",", "")) * UNITS[unit]
        for name, cost, unit in re.findall(r"^\| `(\w+)`: .*? \| ([\d.,]+) (\S.*?) \|$", PAGE, re.MULTILINE)
    }
)
ROWS = {
    House(*(int(word.replace(",", "")) for word in house)): [cell.strip() for cell in cells.split("|")]
    for *house, cells in re.findall(r"^\| (\d+) × (\d+) \| ([\d,]+) \| (.*) \|$", PAGE, re.MULTILINE)
}


@pytest.fixture(scope="module", params=ROWS, ids=str)
def shown(request: pytest.FixtureRequest) -> tuple[list[str], Day]:
    """A row, and the day that it is about."""
    return ROWS[request.param], simulate(COSTS, Habits(), request.param, Room())


def test_a_row_is_what_its_costs_come_to(shown: tuple[list[str], Day]) -> None:
    cells, day = shown
    *numbers, first = cells
    said = [float(cell.replace(",", "").removesuffix(" %")) for cell in numbers]
    loads = [100 * day.loads[name] for name in ("processor", "database", "disk", "overview")]
    assert said == pytest.approx([day.requests / 1e6, day.streams, day.memory, *loads], rel=0.05, abs=0.6)
    assert first == day.first


def test_what_is_assumed_is_said() -> None:
    habits, room = Habits(), Room()
    words = " ".join(PAGE.split())
    assert f"asks once in {habits.pause:g} s" in words
    assert f"stream of {habits.seconds:g} s with {habits.chunks:g} chunks a second" in words
    assert f"{100 * habits.bursts:g} % of the requests bring {habits.burst - 1} more at once" in words
    assert f"{room.disk / 1e12:g} TB" in words
    assert f"{room.kept} working days" in words
    assert f"{room.looked_back} working days within {room.overview:g} s" in words
