"""What all requests to one account share of the rules for failures."""

from __future__ import annotations

from collections.abc import Sequence

from aibridge.model import Credential, Target
from aibridge.providers import Kind
from aibridge.upstream.breaker import BreakerSettings
from aibridge.upstream.breakers import Breakers, Circuit, Watch, unwatched
from aibridge.upstream.budget import Budget
from aibridge.upstream.clock import REAL, Clock
from aibridge.upstream.keys import KeyPool

_LONGEST_MODEL = 100  # characters of a name that are told apart and shown


class Policies:
    """The breakers, the keys, the budget of retries and the clock of one account."""

    def __init__(
        self,
        kind: Kind,
        *,
        retries: int = 0,
        breaker: BreakerSettings | None = None,
        credentials: Sequence[Credential] = (),
        clock: Clock = REAL,
        watch: Watch = unwatched,
    ) -> None:
        self.retries = retries
        self.breakers = Breakers(breaker, clock.now, watch)
        self.keys = KeyPool(credentials)
        self.budget = Budget()
        self.clock = clock
        self._kind = kind
        self._opened = frozenset(route.upstream_path for route in kind.intercepted)

    def circuit(self, target: Target) -> Circuit:
        """What a request to this target goes through."""
        endpoint = target.path if target.path in self._opened else self._route(target.path)
        return Circuit(target.provider, endpoint, target.model[:_LONGEST_MODEL])

    def _route(self, path: str) -> str:
        """The bounded name of a route that is passed through: its path may hold an id."""
        routes = self._kind.passthrough
        return next((route.label for route in routes if route.pattern.fullmatch(route.strip + path)), "other")
