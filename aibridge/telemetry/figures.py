"""Metrics as plain data, and their sum over several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

Sample = tuple[str, dict[str, str], float]
"""Its name, its labels, its value."""


class Family(msgspec.Struct, frozen=True, array_like=True):
    """All samples of one metric."""

    name: str
    help: str
    type: str
    samples: Sequence[Sample]


Figures = list[Family]
"""All metrics of a process, or of several."""

NONE: Final[Figures] = []

_NOT_SUMMED: Final[dict[str, Callable[[float, float], float]]] = {
    "aibridge_circuit_breaker_state": max,
    "aibridge_config_last_reload_success": min,
    "process_start_time_seconds": min,
}
_LASTING: Final = frozenset({"counter", "histogram"})


def summed(parts: Iterable[Figures]) -> Figures:
    """One for all: samples of the same name and labels are added up, but for what a sum would make no sense of."""
    families: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for family in (family for part in parts for family in part):
        families.setdefault(family.name, family)
        known, join = values.setdefault(family.name, {}), _NOT_SUMMED.get(family.name, float.__add__)
        for name, labels, value in family.samples:
            key = name, tuple(labels.items())
            known[key] = join(known[key], float(value)) if key in known else float(value)
    return [
        Family(name, one.help, one.type, [(it, dict(labels), value) for (it, labels), value in values[name].items()])
        for name, one in families.items()
    ]


def lasting(figures: Figures) -> Figures:
    """What outlives a process: what it has counted, and not how it was. A counter that fell would count anew."""
    return [family for family in figures if family.type in _LASTING]
