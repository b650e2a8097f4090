"""The providers, each with its way there: implements ports.Upstreams."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from aibridge.model import Target
from aibridge.upstream.account import Account
from aibridge.upstream.breakers import Watch, unwatched
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
    `limit` bounds the connections of a pool; 0 is no bound. `watch` is told of the circuit breakers.
    """

    def __init__(
        self, accounts: Sequence[Account], *, limit: int = 0, clock: Clock = REAL, watch: Watch = unwatched
    ) -> None:
        self._limit = limit
        self._pools: dict[tuple[str | None, Path | None], Connections] = {}
        self._lines = {
            account.provider.name: Line(account, self._pool(account), _policies(account, clock, watch))
            for account in accounts
        }

    def bind(self, target: Target) -> Upstream:
        """The way to one target; opens nothing yet. Raises KeyError for a provider that is no account here."""
        return Upstream(self._lines[target.provider], target)

    async def aclose(self) -> None:
        """Closes every connection, those in use too."""
        for pool in self._pools.values():
            await pool.aclose()

    def _pool(self, account: Account) -> Connections:
        key = account.proxy, account.ca_file
        if key not in self._pools:
            try:
                context = authorities(account.ca_file) if account.ca_file else system_authorities()
            except ValueError as error:
                raise ValueError(f"providers.{account.provider.name}.{error}") from None
            self._pools[key] = Connections(context, proxy=account.proxy, limit=self._limit)
        return self._pools[key]


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
