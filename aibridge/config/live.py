"""Which settings hold at once when they change, and which need a restart."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from aibridge.config.section import Section
from aibridge.config.settings import Settings

LIVE: Final = frozenset({"providers", "mcp_servers", "tools", "prices", "limits", "telemetry.log_level"})
"""Settings, and whole sections, that a running gateway takes over."""


S = TypeVar("S", bound=Section)


def renewed(old: Settings, new: Settings) -> tuple[Settings, list[str]]:
    """What is in force once `new` was read: its live settings, and else the old ones.

    With the keys of those that differ and need a restart.
    """
    late: list[str] = []
    return _renewed(old, new, "", late), late


def _renewed(old: S, new: S, prefix: str, late: list[str]) -> S:
    taken: dict[str, Any] = {}
    for name in type(old).model_fields:
        key, before, after = prefix + name, getattr(old, name), getattr(new, name)
        if key in LIVE:
            taken[name] = after
        elif isinstance(before, Section) and not prefix:
            taken[name] = _renewed(before, after, f"{key}.", late)
        elif before != after:
            late.append(key)
    return old.model_copy(update=taken)
