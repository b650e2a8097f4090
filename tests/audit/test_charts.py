"""Charts: a column for each day or hour, whether anything was then or not."""

from datetime import UTC, datetime
from typing import Any

from aibridge.audit.charts import HEIGHT, WIDTH, Bar, chart, filled
from aibridge.audit.queries.usage import MEASURES

SINCE, UNTIL = datetime(2026, 11, 18, 9, 30, tzinfo=UTC), datetime(2026, 11, 20, 12, tzinfo=UTC)


def used(**row: Any) -> dict[str, Any]:
    return dict.fromkeys(MEASURES, 0) | row


def test_every_day_has_its_column() -> None:
    rows = filled([used(day="2026-11-19", requests=4)], "day", SINCE, UNTIL)
    assert [(row["label"], row["requests"]) for row in rows] == [
        ("18 Nov, from 09:30", 0), ("19 Nov", 4), ("20 Nov", 0),
    ]  # fmt: skip


def test_a_whole_first_day_is_no_special_one() -> None:
    rows = filled(
        [used(day="2026-11-20", requests=1)],
        "day",
        SINCE.replace(hour=0, minute=0),
        datetime(2026, 11, 20, 0, 0, 1, tzinfo=UTC),
    )
    assert [row["label"] for row in rows] == ["18 Nov", "19 Nov", "20 Nov"]


def test_every_hour_has_its_column() -> None:
    rows = filled([used(hour="2026-11-18 10", requests=4)], "hour", SINCE, SINCE.replace(hour=11, minute=0))
    assert [(row["label"], row["requests"]) for row in rows] == [("18 Nov 09:00, from 09:30", 0), ("18 Nov 10:00", 4)]


def test_bars_stand_on_one_another_up_to_the_highest() -> None:
    rows = [used(label="a", requests=3, failed=1), used(label="b", requests=1), used(label="c")]
    series: Any = {"Good": lambda row: row["requests"] - row["failed"], "Failed": lambda row: row["failed"]}
    drawn = chart("requests", "Requests", rows, series, str)
    assert drawn.columns[0].bars == [Bar(36.67, 33.33, 260.0, 66.67, 0), Bar(36.67, 0, 260.0, 33.33, 1)]
    assert [bar.height for bar in drawn.columns[1].bars] == [33.33]
    assert drawn.columns[2].bars == []
    assert drawn.columns[2].x + drawn.columns[2].width == WIDTH
    assert all(0 <= bar.y <= HEIGHT for column in drawn.columns for bar in column.bars)
    assert (drawn.top, drawn.description, drawn.labels) == ("3", "Requests over time; highest: 3, a.", ("a", "b", "c"))


def test_bars_that_are_not_stacked_reach_from_the_ground() -> None:
    series: Any = {"Half": lambda row: row["requests"], "Most": lambda row: row["failed"]}
    drawn = chart("latency", "Duration", [used(label="a", requests=1, failed=4)], series, str, stacked=False)
    assert drawn.columns[0].values == ["1", "4"]
    assert [(bar.y, bar.height) for bar in drawn.columns[0].bars] == [(75, 25), (0, 75)]


def test_nothing_is_drawn_of_nothing() -> None:
    drawn = chart("cost", "Cost", [used(label="a")], {"Cost": lambda row: row["cost_micros"]}, str)
    assert drawn.empty
    assert drawn.description == "Cost over time; nothing."
