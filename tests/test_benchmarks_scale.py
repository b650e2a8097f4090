"""What a scale is worked out from: several writers into one database, bytes, pages, and a table of days."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from benchmarks import scale
from benchmarks.audit import prepare
from benchmarks.day import Day, House
from benchmarks.dialects import DIALECTS
from benchmarks.processes import child
from tests.databases import Database


def test_two_writers_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "_EACH", 120)
    found = scale.written(database.url, 2)
    [kept] = database.query(
        "SELECT count(*) AS n, sum(output_tokens) AS o, min(status) AS s FROM aibridge_interceptions"
    )
    assert kept == {"n": 240, "o": 240 * 490, "s": "completed"}
    assert found.writers == 2
    assert found.rate > 0 < found.writer
    assert 500 < found.spooled < 3000
    assert (found.server is None) == (database.kind == "sqlite")
    assert 1000 < scale.size(database.url) < 200_000


@pytest.mark.only_on("sqlite")
def test_a_writer_that_fails_ends_it(empty_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "_EACH", 10)
    with pytest.raises(RuntimeError, match="ended before it had said"):
        scale.written(f"{empty_database.url}/nowhere/at/all", 1)


@pytest.mark.only_on("sqlite")
def test_pages_by_the_size_of_the_tables(empty_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "_TABLES", (20, 60))
    asyncio.run(prepare(empty_database.url))
    asked = asyncio.run(scale.pages(empty_database.url))
    assert [rows for rows, _ in asked] == [20, 60]
    assert all(0 < seconds < 10 for _, took in asked for seconds in took.values())
    assert empty_database.query("SELECT count(*) AS n FROM aibridge_interceptions") == [{"n": 60}]


def test_the_overview_is_a_straight_line() -> None:
    way = scale.Written(2, 4000.0, 1e-4, None, 1000.0)
    process = {"request": 1e-4, "chunk": 1e-5, "injected": 1e-3, "process": 100.0, "stream": 0.05}
    asked = [(rows, {scale.OVERVIEW: seconds}) for rows, seconds in ((10, 9.0), (1000, 0.05), (11_000, 0.15))]
    found = scale.costs(process, way, 2000.0, asked)
    assert (found.inserts, found.size, found.stream) == (4000.0, 2000.0, 0.05)
    assert (found.overview, found.overview_each) == pytest.approx((0.04, 1e-5))


def test_days_are_shown() -> None:
    loads = {"processor": 0.5, "database": 0.25, "disk": 1.5, "overview": 0.75}
    shown = io.StringIO()
    scale.show([(House(4, 8, 16_000), Day(1_000_000, 300, 1200.0, 0.0, 1.5, loads))], Console(file=shown, width=200))
    cells = [cell.strip() for cell in shown.getvalue().splitlines()[3].split("│")]
    assert cells[1:] == [
        "4 × 8", "16,000", "1,000,000", "0.50", "0.25", "1.50", "0.75", "300", "1,200", "0.0", "1.5", "disk", "",
    ]  # fmt: skip


def test_what_is_carried_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the provider itself, which is as good as a gateway for that."""
    monkeypatch.setattr(scale, "_CARRIED", (1, 2, 3))
    monkeypatch.setattr(scale, "_REQUESTS", 64)
    monkeypatch.setattr(scale, "_CHUNKS", 3)
    monkeypatch.setattr(scale, "_PUNCTUAL", 1000)
    with child("upstream") as provider:
        carried = asyncio.run(scale.carried(DIALECTS["messages"], provider))
        assert carried.requests > 10
        assert carried.streams == 3
        monkeypatch.setattr(scale, "_PUNCTUAL", 0)
        assert asyncio.run(scale.carried(DIALECTS["messages"], provider)).streams == 0
