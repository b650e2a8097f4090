"""The attempts of one request, sans-IO: with which key, whether at all, and whether and when again."""

from __future__ import annotations

import logging

from msgspec.structs import replace

from aibridge.model import Credential, Target
from aibridge.upstream.breakers import UNTRIED, Circuit
from aibridge.upstream.failure import Failure
from aibridge.upstream.keys import COOLING_SECONDS, LONGEST_COOLING
from aibridge.upstream.policies import Policies
from aibridge.upstream.retry import wait_before

logger = logging.getLogger(__name__)


class Attempts:
    """Call `begin`, then one of `succeeded`, `failed` and `dropped`; while `wait` is not None, wait so long and repeat.

    `target`: where the present attempt goes, and with which key. `failure`: what the last one came to, if it failed.
    """

    def __init__(self, policies: Policies, target: Target) -> None:
        self.target = target
        self.failure: Failure | None = None
        self.wait: float | None = None  # seconds until the next attempt; None: there is none
        self.soonest: float | None = None  # seconds until one of the keys that rest serves again; None: none will
        self._policies = policies
        self._pooled = policies.keys.holds(target.credential)
        self._tried: list[Credential] = []
        self._retries = 0
        self._permit = UNTRIED
        policies.budget.request(policies.clock.now())

    def begin(self) -> Target:
        """The target of an attempt. Raises UpstreamError (503) where the provider is to be left alone."""
        policies = self._policies
        self._permit = policies.breakers.admit(self._circuit) if policies.breakers else UNTRIED
        if self._pooled:
            key = policies.keys.choose(self.target.model, policies.clock.now(), self._tried)
            if key is not None and key != self.target.credential:
                self.target = replace(self.target, credential=key)
        return self.target

    def succeeded(self) -> None:
        """The provider answers, and its answer is handed over."""
        self.failure = self.wait = None
        if breakers := self._policies.breakers:
            breakers.succeed(self._circuit, self._permit)

    def dropped(self) -> None:
        """The attempt ended without telling anything of the provider; there is no other."""
        self.wait = None
        self._policies.breakers.drop(self._circuit, self._permit)

    def failed(self, failure: Failure) -> None:
        """Decides what follows."""
        breakers = self._policies.breakers
        judge = breakers.fail if failure.of_provider else breakers.succeed
        judge(self._circuit, self._permit)
        self.soonest, key = None, self.target.credential
        if self._pooled and failure.of_key and key is not None:
            self._rest(key, failure)
            if self._another():
                self.failure, self.wait = failure, 0.0
                return
            failure = self._exhausted(failure)
        self.failure, self.wait = failure, self._again(failure)

    @property
    def _circuit(self) -> Circuit:
        return self._policies.circuit(self.target)

    def _rest(self, key: Credential, failure: Failure) -> None:
        self._tried.append(key)
        limited = failure.kind == "rate_limited" and not failure.quota
        seconds = min(failure.retry_after or COOLING_SECONDS, LONGEST_COOLING) if limited else COOLING_SECONDS
        policies, model = self._policies, self.target.model
        if policies.keys.cool(key, model, policies.clock.now(), seconds, limited=limited):
            name, why = self.target.provider, "quota" if failure.quota else failure.kind
            logger.warning("%s: the key %s rests for %g s (%s; model %.100r)", name, key.hint, seconds, why, model)

    def _another(self) -> bool:
        policies = self._policies
        return policies.keys.choose(self.target.model, policies.clock.now(), self._tried) is not None

    def _exhausted(self, failure: Failure) -> Failure:
        """Of all keys the one that has rested first says when to come back, if any will."""
        policies = self._policies
        soonest = policies.keys.soonest(self.target.model, policies.clock.now())
        if soonest is None:
            return failure
        self.soonest = min(soonest, failure.retry_after or soonest)
        return replace(failure, kind="rate_limited", retry_after=self.soonest, quota=False)

    def _again(self, failure: Failure) -> float | None:
        policies = self._policies
        if self._retries >= policies.retries or not failure.passing:
            return None
        wait = wait_before(self._retries, failure, policies.clock.chance())
        if wait is None or policies.breakers.closed_to(self._circuit):
            return None
        if not policies.budget.spend(policies.clock.now()):
            return None
        self._retries += 1
        self._tried.clear()
        return wait
