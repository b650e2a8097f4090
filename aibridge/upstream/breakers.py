"""The circuit breakers of one provider: one for each endpoint and model, made when something first fails there."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

from aibridge.errors import UpstreamError
from aibridge.upstream.breaker import Breaker, BreakerSettings, State

logger = logging.getLogger(__name__)

LIMIT: Final = 256
"""Breakers of one provider at most, for callers choose the models."""

UNTRIED: Final = 0
"""The permit of whoever found no breaker: that of a new one."""


class Circuit(NamedTuple):
    """What one breaker protects."""

    provider: str
    endpoint: str
    model: str  # empty where no model is known


Watch = Callable[[Circuit, State | Literal["refused"]], None]
"""Told of each change of a breaker's state, and of each request that it refuses."""


def unwatched(circuit: Circuit, event: State | Literal["refused"]) -> None:
    """Watches nothing."""


class Breakers:
    """Without settings nothing is ever refused."""

    def __init__(self, settings: BreakerSettings | None, now: Callable[[], float], watch: Watch = unwatched) -> None:
        self._settings = settings
        self._now = now
        self._watch = watch
        self._breakers: dict[Circuit, Breaker] = {}

    def __bool__(self) -> bool:
        """Whether there is any: where nothing has failed, none needs to be asked or told of a success."""
        return bool(self._breakers)

    def admit(self, circuit: Circuit) -> int:
        """A permit. Raises UpstreamError (503) where the provider is to be left alone."""
        breaker = self._breakers.get(circuit)
        if breaker is None:
            return UNTRIED
        before, now = breaker.state, self._now()
        permit = breaker.admit(now)
        if permit is None:
            self._watch(circuit, "refused")
            raise self._refusal(circuit, breaker, breaker.wait(now))
        self._tell(circuit, breaker, before)
        return permit

    def states(self) -> Iterator[tuple[Circuit, State]]:
        """Those that are not closed."""
        return ((circuit, breaker.state) for circuit, breaker in self._breakers.items() if breaker.state != "closed")

    def closed_to(self, circuit: Circuit) -> bool:
        """Whether a request would be refused now."""
        breaker = self._breakers.get(circuit)
        return breaker is not None and breaker.wait(self._now()) > 0

    def succeed(self, circuit: Circuit, permit: int) -> None:
        """The provider answered."""
        breaker = self._breakers.get(circuit)
        if breaker is not None:
            before = breaker.state
            breaker.succeed(permit)
            self._tell(circuit, breaker, before)

    def fail(self, circuit: Circuit, permit: int) -> None:
        """The provider was out of order."""
        if self._settings is None:
            return
        breaker = self._breakers.get(circuit) or self._make(circuit, self._settings)
        before = breaker.state
        breaker.fail(permit, self._now())
        self._tell(circuit, breaker, before)

    def drop(self, circuit: Circuit, permit: int) -> None:
        """Nothing was learnt of the provider."""
        breaker = self._breakers.get(circuit)
        if breaker is not None:
            breaker.drop(permit)

    def dissolve(self) -> None:
        """Nothing is refused any more: these breakers are replaced."""
        for circuit, breaker in self._breakers.items():
            if breaker.state != "closed":
                self._watch(circuit, "closed")
        self._breakers.clear()

    def _make(self, circuit: Circuit, settings: BreakerSettings) -> Breaker:
        if len(self._breakers) >= LIMIT:
            self._make_room()
        breaker = self._breakers[circuit] = Breaker(settings)
        return breaker

    def _make_room(self) -> None:
        now = self._now()
        idle = [circuit for circuit, breaker in self._breakers.items() if breaker.idle(now)]
        for circuit in idle or [next(iter(self._breakers))]:
            if self._breakers.pop(circuit).state != "closed":
                self._watch(circuit, "closed")

    def _tell(self, circuit: Circuit, breaker: Breaker, before: State) -> None:
        if breaker.state == before:
            return
        self._watch(circuit, breaker.state)
        match breaker.state:
            case "open":
                logger.warning("%s", self._refusal(circuit, breaker, breaker.wait(self._now())))
            case "half_open":
                logger.info("%s is tried again%s", circuit.provider, _where(circuit))
            case _:
                logger.info("%s works again%s", circuit.provider, _where(circuit))

    def _refusal(self, circuit: Circuit, breaker: Breaker, wait: float) -> UpstreamError:
        story = f"{circuit.provider} has failed {self._often(breaker)}{_where(circuit)}"
        rest = f"left alone for {math.ceil(wait)} s" if breaker.state == "open" else "being tried again"
        return UpstreamError(f"{story}: it is {rest}", status=503, retry_after=wait)

    def _often(self, breaker: Breaker) -> str:
        settings = self._settings or BreakerSettings()
        if breaker.relapsed:
            return "again"
        times = "once" if settings.failure_threshold == 1 else f"{settings.failure_threshold} times"
        return f"{times} in {settings.interval:g} s"


def _where(circuit: Circuit) -> str:
    return f" for {circuit.model}" if circuit.model else f" at {circuit.endpoint}"
