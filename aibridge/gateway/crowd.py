"""How many requests are open at a time: in all, and of one actor."""

from __future__ import annotations

from collections import Counter

from starlette.types import Scope

from aibridge.errors import AibridgeError, ClientError, Unavailable
from aibridge.model import Actor

_ACTOR = "aibridge.actor"  # a key of a request's scope: whose it is counted as


class Crowd:
    """Counts requests from their beginning to their end, whatever end that is."""

    def __init__(self, most: int, most_per_actor: int | None) -> None:
        self._most = most
        self._most_per_actor = most_per_actor
        self._by_actor: Counter[str] = Counter()
        self.open = 0

    def enter(self) -> AibridgeError | None:
        """Counts one more request, or says why there may not be one."""
        if self.open >= self._most:
            return Unavailable(
                f"aibridge serves {self._most} requests already (server.max_concurrent_requests): ask again.",
                type="overloaded",
                retry_after=1,
            )
        self.open += 1
        return None

    def claim(self, scope: Scope, actor: Actor) -> None:
        """Counts a request that has entered as this actor's. Raises ClientError where that is one too many."""
        most = self._most_per_actor
        if most is None:
            return
        if self._by_actor[actor.name] >= most:
            raise ClientError(
                f"{actor.name} has {most} requests open already (server.max_concurrent_per_actor): ask again.",
                status=429,
                type="rate_limited",
                retry_after=1,
            )
        self._by_actor[actor.name] += 1
        scope[_ACTOR] = actor.name

    def leave(self, scope: Scope) -> None:
        """A request that has entered is over."""
        self.open -= 1
        name = scope.get(_ACTOR)
        if name is not None:
            self._by_actor[name] -= 1
            if not self._by_actor[name]:
                del self._by_actor[name]
