"""What a provider would refuse in a request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aibridge.model import JSON


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason for a 400, in the provider's words. `param` and `code` are OpenAI's."""

    message: str
    param: str | None = None
    code: str | None = None


def objects(values: JSON) -> list[dict[str, JSON]]:
    """The objects in an array; none where there is no array."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def repeated(names: Iterable[JSON]) -> list[str]:
    """The strings that come more than once, each as often as it is too many."""
    seen: set[str] = set()
    found: list[str] = []
    for name in names:
        if isinstance(name, str):
            found += [name] if name in seen else []
            seen.add(name)
    return found
