"""Minutes, days and months, in UTC."""

from datetime import UTC, datetime

import pytest

from aibridge.budgets.windows import Period, end_of, start_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        ("minute", "2026-11-20 12:34:56.789", "2026-11-20 12:34", "2026-11-20 12:35"),
        ("minute", "2026-12-31 23:59:59.999999", "2026-12-31 23:59", "2027-01-01 00:00"),
        ("minute", "2026-11-20 12:34:00", "2026-11-20 12:34", "2026-11-20 12:35"),
        ("day", "2026-11-20 12:34:56.789", "2026-11-20 00:00", "2026-11-21 00:00"),
        ("day", "2028-02-28 23:59:59", "2028-02-28 00:00", "2028-02-29 00:00"),
        ("month", "2026-11-20 12:34:56.789", "2026-11-01 00:00", "2026-12-01 00:00"),
        ("month", "2026-12-31 23:59:59", "2026-12-01 00:00", "2027-01-01 00:00"),
        ("month", "2027-02-01 00:00:00", "2027-02-01 00:00", "2027-03-01 00:00"),
    ],
)
def test_when_they_begin_and_end(period: Period, now: str, start: str, end: str) -> None:
    assert start_of(period, at(now)) == at(start)
    assert end_of(period, at(start)) == at(end)
