"""Numbers, money and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

_LARGE = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))
_SHORT = 90  # bytes


def compact(number: float) -> str:
    """At most four figures: `999`, `1.2k`, `34M`."""
    for size, letter in _LARGE:
        if number >= size:
            value = number / size
            return f"{value:.1f}{letter}" if value < 100 else f"{value:,.0f}{letter}"
    return f"{number:,.0f}"


def number(value: int) -> str:
    """Every figure: `12,345`."""
    return f"{value:,}"


def money(micros: int) -> str:
    """Millionths of a US dollar, in dollars: to the cent, and small amounts to two figures."""
    dollars = micros / 1e6
    if micros == 0 or abs(dollars) >= 0.995:
        return f"${dollars:,.2f}"
    return f"${dollars:.4f}" if abs(dollars) >= 0.0001 else "<$0.0001"


def duration(seconds: float | None) -> str:
    """`820 ms`, `3.2 s`, `2 min 5 s`; a dash where it is not known."""
    if seconds is None:
        return "–"
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def moment(time: datetime) -> str:
    """`20 Nov 2026, 07:05:09 UTC`."""
    return f"{time.astimezone(UTC):%-d %b %Y, %H:%M:%S} UTC"


def json_text(value: Any) -> str:
    """A value as JSON: on one line where it is short."""
    text = msgspec.json.encode(value)
    spaced = msgspec.json.format(text, indent=0 if len(text) <= _SHORT else 2)
    return spaced.decode(errors="replace")


FILTERS = {
    "compact": compact,
    "number": number,
    "money": money,
    "duration": duration,
    "moment": moment,
    "json": json_text,
}
"""Those that the templates know by name."""
