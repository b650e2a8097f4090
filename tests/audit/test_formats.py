"""Numbers, money and times as people read them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aibridge.audit import formats


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (12_345, "12.3k"),
        (123_456, "123k"),
        (2_500_000, "2.5M"),
        (3e9, "3.0B"),
        (4e12, "4.0T"),
    ],
)
def test_compact(value: float, shown: str) -> None:
    assert formats.compact(value) == shown


@pytest.mark.parametrize(
    ("micros", "shown"),
    [(0, "$0.00"), (50, "<$0.0001"), (12_300, "$0.0123"), (995_000, "$0.99"), (1_234_567_890, "$1,234.57")],
)
def test_money(micros: int, shown: str) -> None:
    assert formats.money(micros) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (-0.1, "0 ms"),
        (0.0204, "20 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (125, "2 min 5 s"),
    ],
)
def test_duration(seconds: float | None, shown: str) -> None:
    assert formats.duration(seconds) == shown


def test_moment_is_told_in_utc() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    assert formats.moment(datetime(2026, 11, 20, 12, 35, 9, tzinfo=there)) == "20 Nov 2026, 07:05:09 UTC"
    assert formats.moment(datetime(2026, 11, 2, tzinfo=UTC)).startswith("2 Nov 2026")


@pytest.mark.parametrize(
    ("value", "shown"), [({"a": 1}, '{"a": 1}'), ({"a": "x" * 99}, '{\n  "a": "' + "x" * 99 + '"\n}'), ("é", '"é"')]
)
def test_json(value: Any, shown: str) -> None:
    assert formats.json_text(value) == shown
