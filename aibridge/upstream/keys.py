"""The keys of one provider: the first that is not cooling serves, sans-IO."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from aibridge.model import Credential

COOLING_SECONDS: Final = 60.0
"""How long a key rests where the provider does not say."""

LONGEST_COOLING: Final = 3600.0
"""How long a key rests at most, whatever the provider says."""

LIMIT: Final = 1024
"""Rests of keys that are remembered at most, for callers choose the models."""


@dataclass(frozen=True, slots=True)
class _Rest:
    until: float
    limited: bool  # by a rate, so that it will serve again


class KeyPool:
    """Each key cools for one model alone. The last that serves a model never cools: it has nobody to stand in for it.

    Times are in seconds, of any one clock.
    """

    def __init__(self, keys: Sequence[Credential] = ()) -> None:
        self._keys = tuple(keys)
        self._rests: dict[tuple[Credential, str], _Rest] = {}

    def holds(self, credential: Credential | None) -> bool:
        """Whether there is another that may stand in for this one."""
        return len(self._keys) > 1 and credential in self._keys

    def choose(self, model: str, now: float, tried: Collection[Credential] = ()) -> Credential | None:
        """The first key that serves the model and was not tried yet; None: there is none."""
        return next((key for key in self._keys if key not in tried and self._serves(key, model, now)), None)

    def cool(self, key: Credential, model: str, now: float, seconds: float, *, limited: bool) -> bool:
        """Lets a key rest, unless it is the last one. `limited`: by a rate, and not for good."""
        if self.choose(model, now, (key,)) is None:
            return False
        if len(self._rests) >= LIMIT:
            self._forget(now)
        self._rests[key, model] = _Rest(now + seconds, limited)
        return True

    def soonest(self, model: str, now: float) -> float | None:
        """Seconds until the next key has rested enough from its rate limit; None: none rests from one."""
        rests = (self._rests.get((key, model)) for key in self._keys)
        waits = [rest.until - now for rest in rests if rest is not None and rest.limited and rest.until > now]
        return min(waits, default=None)

    def _serves(self, key: Credential, model: str, now: float) -> bool:
        rest = self._rests.get((key, model))
        return rest is None or rest.until <= now

    def _forget(self, now: float) -> None:
        over = [which for which, rest in self._rests.items() if rest.until <= now]
        for which in over or [next(iter(self._rests))]:
            del self._rests[which]
