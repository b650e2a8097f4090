"""The clock of all that lives as long as the process, in a form that tests replace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

Sleep = Callable[[float], Awaitable[object]]
"""Waits so many seconds."""

BREATH_SECONDS = 0.1
"""A pause between two batches of a clean-up, for the others who write."""

_LONGEST_DAYS = 36_500.0
"""A hundred years: beyond that the calendar ends."""


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def lasting(days: float) -> timedelta:
    """For how long something is kept, as far as the calendar goes."""
    return timedelta(days=min(days, _LONGEST_DAYS))
