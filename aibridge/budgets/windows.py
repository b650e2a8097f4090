"""Minutes, days and months by the calendar, in UTC: when the present one began, and when the next one does."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

Period = Literal["minute", "day", "month"]


def start_of(period: Period, now: datetime) -> datetime:
    """When the present one began. `now` is in UTC, as is whatever comes of it."""
    minute = now.replace(second=0, microsecond=0)
    if period == "minute":
        return minute
    day = minute.replace(hour=0, minute=0)
    return day if period == "day" else day.replace(day=1)


def end_of(period: Period, start: datetime) -> datetime:
    """When the one that began then is over."""
    match period:
        case "minute":
            return start + timedelta(minutes=1)
        case "day":
            return start + timedelta(days=1)
        case "month":
            return (start + timedelta(days=31)).replace(day=1)
