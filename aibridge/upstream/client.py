"""The providers, each with its way there: implements ports.Upstreams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from aibridge.model import Target
from aibridge.upstream.account import Account
from aibridge.upstream.breaker import State
from aibridge.upstream.breakers import Circuit, Watch, unwatched
from aibridge.upstream.clock import REAL, Clock
from aibridge.upstream.connections import Connections
from aibridge.upstream.line import Line
from aibridge.upstream.policies import Policies
from aibridge.upstream.response import Response
from aibridge.upstream.round import Round
from aibridge.upstream.trust import authorities, system_authorities


class UpstreamClient:
    """All accounts on one connection pool; those with a proxy or authorities of their own have another.

    Connections open at the first request, in its event loop. Raises ValueError where a `ca_file` cannot be used.
    `limit` bounds the connections of a pool; 0 is no bound. `watch` is told of the circuit breakers. `before`: the
    client that this one follows. It goes on to serve what it has begun; what has not changed is shared with it, the
    state of breakers and keys too.
    """

    def __init__(
        self,
        accounts: Sequence[Account],
        *,
        limit: int = 0,
        clock: Clock = REAL,
        watch: Watch = unwatched,
        before: UpstreamClient | None = None,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._watch = watch
        self._old_pools = before._pools if before else {}
        self._pools: dict[tuple[str | None, Path | None], Connections] = {}
        old: dict[str, Line] = before._lines if before else {}
        self._lines: dict[str, Line] = {account.provider.name: self._line(account, old) for account in accounts}
        self._old_pools = {}
        self._old_lines = frozenset(old.values()) - frozenset(self._lines.values())

    def take_over(self) -> None:
        """Takes leave of the accounts that are gone or have changed: their breakers are shown no more."""
        for line in self._old_lines:
            line.policies.breakers.dissolve()
        self._old_lines = frozenset()

    @property
    def parts(self) -> frozenset[Connections]:
        """The pools, which other clients may share."""
        return frozenset(self._pools.values())

    def breakers(self) -> list[tuple[Circuit, State]]:
        """The circuit breakers that are not closed."""
        return [one for line in self._lines.values() for one in line.policies.breakers.states()]

    def bind(self, target: Target) -> Upstream:
        """The way to one target; opens nothing yet. Raises KeyError for a provider that is no account here."""
        return Upstream(self._lines[target.provider], target)

    async def aclose(self) -> None:
        """Closes every connection, those in use too."""
        for pool in self._pools.values():
            await pool.aclose()

    def _line(self, account: Account, old: Mapping[str, Line]) -> Line:
        pool, line = self._pool(account), old.get(account.provider.name)
        if line is not None and line.account == account:
            return line
        return Line(account, pool, _policies(account, self._clock, self._watch))

    def _pool(self, account: Account) -> Connections:
        key = account.proxy, account.ca_file
        if key not in self._pools:
            self._pools[key] = self._old_pools.get(key) or self._new_pool(account)
        return self._pools[key]

    def _new_pool(self, account: Account) -> Connections:
        try:
            context = authorities(account.ca_file) if account.ca_file else system_authorities()
        except ValueError as error:
            raise ValueError(f"providers.{account.provider.name}.{error}") from None
        return Connections(context, proxy=account.proxy, limit=self._limit)


class Upstream:
    """One interception's way to its provider: implements ports.Upstream."""

    def __init__(self, line: Line, target: Target) -> None:
        self._line = line
        self._target = target

    def open(self, body: bytes) -> AbstractAsyncContextManager[Response]:
        """Sends one request; the response has its first body byte, or its end, when it is handed over.

        Until then it is tried again, with other keys too, as the account has it; the last failure is the one told.
        Raises UpstreamError or UpstreamTimeout on entry where there is no response to hand over, ClientError where
        the request holds what HTTP cannot carry. Leaving the context early closes the connection.
        """
        return Round(self._line, self._target, body)


def _policies(account: Account, clock: Clock, watch: Watch) -> Policies:
    return Policies(
        account.provider.kind,
        retries=account.retries,
        breaker=account.breaker,
        credentials=account.credentials,
        clock=clock,
        watch=watch,
    )
