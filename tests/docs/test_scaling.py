"""docs/scaling.md: its forecast is what its measured costs come to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs/scaling.md").read_text()
COSTS = {name: float(cost) for name, cost in re.findall(r"^\| `(\w+)`: .*? \| (\d+) \S+ \|$", PAGE, re.MULTILINE)}
FORECAST = {
    name: [float(cell) for cell in cells.split(" | ")]
    for name, cells in re.findall(r"^\| ([a-zA-Z, ]+) \| ([\d. |]+) \|$", PAGE, re.MULTILINE)
}
PROCESSES = (1, 8, 32)
CHUNKS, SECONDS, ROUNDS, PAUSE, USED, DAY = 300, 6, 0.5, 10, 0.7, 8 * 3600


def forecast() -> dict[str, list[float]]:
    one = COSTS["request"] + CHUNKS * COSTS["chunk"] + ROUNDS * COSTS["injected"]
    rates = [processes * USED * 1e6 / one for processes in PROCESSES]
    streams = [rate * SECONDS for rate in rates]
    return {
        "requests a second": rates,
        "open streams": streams,
        "agents at work": [rate * PAUSE for rate in rates],
        "memory of the gateways, MiB": [
            processes * COSTS["process"] + count * COSTS["stream"] / 1024
            for processes, count in zip(PROCESSES, streams, strict=True)
        ],
        "cores of PostgreSQL for the records": [rate * COSTS["record"] / 1e6 for rate in rates],
        "new records a day, GB": [rate * DAY * COSTS["size"] / 1e9 for rate in rates],
    }


@pytest.mark.parametrize("row", forecast())
def test_it_follows_from_the_costs(row: str) -> None:
    assert FORECAST[row] == pytest.approx(forecast()[row], rel=0.07)


def test_nothing_else_is_forecast() -> None:
    assert set(FORECAST) == set(forecast())
