"""Charts as geometry: a template draws them as SVG, whose bars stretch while the labels stay text of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from aibridge.audit.queries.paging import Row
from aibridge.audit.queries.usage import MEASURES

WIDTH, HEIGHT = 1000, 100
_GAP = 0.22  # of a bar's width

Unit = Literal["day", "hour"]


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a bar, in the units of the chart; `series`: which it is, from 0."""

    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True, slots=True)
class Column:
    """What stands above one label."""

    label: str
    values: Sequence[str]
    bars: Sequence[Bar]
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Stacked bars over time. `top`: the value that the highest bar reaches."""

    id: str
    title: str
    description: str
    series: Sequence[str]
    columns: Sequence[Column]
    top: str
    empty: bool

    @property
    def labels(self) -> tuple[str, str, str]:
        """The first, the middle and the last label."""
        return self.columns[0].label, self.columns[len(self.columns) // 2].label, self.columns[-1].label


def chart(
    id_: str,
    title: str,
    rows: Sequence[Row],
    series: Mapping[str, Callable[[Row], float]],
    show: Callable[..., str],
    *,
    stacked: bool = True,
) -> Chart:
    """A chart of rows in time, each with its `label`. `show`: a value in words.

    The series stand on one another, or where they are not `stacked` each reaches from the ground: the least first.
    """
    values = [[value(row) for value in series.values()] for row in rows]
    stacks = values if stacked else [_steps(each) for each in values]
    highest = max(map(sum, stacks), default=0)
    width = WIDTH / max(len(rows), 1)
    columns = [
        Column(row["label"], [show(value) for value in values[number]], _bars(stack, number * width, width, highest),
               round(number * width, 2), round(width, 2))
        for number, (row, stack) in enumerate(zip(rows, stacks, strict=True))
    ]  # fmt: skip
    peak = max(range(len(rows)), key=lambda number: sum(stacks[number]), default=0)
    what = f"highest: {show(highest)}, {rows[peak]['label']}" if highest else "nothing"
    return Chart(id_, title, f"{title} over time; {what}.", list(series), columns, show(highest), not highest)


def _steps(values: Sequence[float]) -> list[float]:
    return [value - before for value, before in zip(values, (0.0, *values[:-1]), strict=True)]


def _bars(stack: Sequence[float], x: float, width: float, highest: float) -> list[Bar]:
    bars: list[Bar] = []
    top = float(HEIGHT)
    for series, value in enumerate(stack):
        height = value / highest * HEIGHT if highest else 0.0
        top -= height
        if height:
            inner = width * (1 - _GAP)
            bars.append(
                Bar(round(x + (width - inner) / 2, 2), round(top, 2), round(inner, 2), round(height, 2), series)
            )
    return bars


def filled(rows: Sequence[Row], unit: Unit, since: datetime, until: datetime) -> list[Row]:
    """A row with a `label` for every day or hour, also for those in which nothing was.

    The label tells of the first one if it is not there from its beginning.
    """
    found = {row[unit]: row for row in rows}
    step, form, label = _FORMS[unit]
    at = begun(unit, since)
    every: list[Row] = []
    while at < until:
        row = found.get(at.strftime(form)) or dict.fromkeys(MEASURES, 0)
        cut = f", from {since.astimezone(UTC):%H:%M}" if at < since else ""
        every.append({"times": {}, **row, "label": at.strftime(label) + cut})
        at += step
    return every


def begun(unit: Unit, at: datetime) -> datetime:
    """When the day or hour began that this moment is in."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour.replace(hour=0) if unit == "day" else hour


_FORMS: dict[Unit, tuple[timedelta, str, str]] = {
    "day": (timedelta(days=1), "%Y-%m-%d", "%-d %b"),
    "hour": (timedelta(hours=1), "%Y-%m-%d %H", "%-d %b %H:00"),
}
