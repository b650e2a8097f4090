"""The clock that tests replace."""

from __future__ import annotations

from datetime import UTC, timedelta

from aibridge.store.clock import lasting, utc_now


def test_the_wall_clock_is_in_utc() -> None:
    assert utc_now().tzinfo is UTC


def test_a_time_to_keep_things_ends_before_the_calendar_does() -> None:
    assert lasting(1.5) == timedelta(hours=36)
    assert utc_now() - lasting(1e9) < utc_now() - lasting(36_499)
