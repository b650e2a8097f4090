"""The providers, each with its way there: implements ports.Upstreams."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

import httpx2

from aibridge.errors import AibridgeError
from aibridge.model import Headers, Target
from aibridge.providers import Provider
from aibridge.upstream import faults
from aibridge.upstream.answer import Answer
from aibridge.upstream.connections import Connections
from aibridge.upstream.exceptions import translate
from aibridge.upstream.redaction import redact, replacements
from aibridge.upstream.request import Requests
from aibridge.upstream.response import Nothing, Response, header, plain, whole, without
from aibridge.upstream.trust import authorities, system_authorities

MAX_ERROR_BYTES: Final = 1024 * 1024
"""What is read of an error's body; the rest is cut."""

_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))


@dataclass(frozen=True, slots=True)
class Account:
    """A provider and how to reach it. Times are in seconds.

    `connect`: DNS, TCP and TLS together. `first_byte`: from the start of a request to the first byte of a body.
    `idle`: silence between two pieces of a body. `proxy`: an HTTP proxy's URL. `ca_file`: the only authorities to be
    trusted there, in place of this machine's.
    """

    provider: Provider
    connect: float = 5.0
    first_byte: float = 300.0
    idle: float = 300.0
    proxy: str | None = field(default=None, repr=False)  # it may hold a password
    ca_file: Path | None = None


class UpstreamClient:
    """All accounts on one connection pool; those with a proxy or authorities of their own have another.

    Connections open at the first request, in its event loop. Raises ValueError where a `ca_file` cannot be used.
    `limit` bounds the connections of a pool; 0 is no bound.
    """

    def __init__(self, accounts: Sequence[Account], *, limit: int = 0) -> None:
        self._limit = limit
        self._pools: dict[tuple[str | None, Path | None], Connections] = {}
        self._lines = {account.provider.name: _Line(account, self._pool(account)) for account in accounts}

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


class _Line:
    """What all requests to one account share."""

    def __init__(self, account: Account, pool: Connections) -> None:
        self.account = account
        self.name = account.provider.name
        self.requests = Requests(account.provider)
        self.pool = pool

    async def send(self, target: Target, body: bytes) -> Answer:
        """The beginning of the answer to one request. Raises errors of ours, as the answer's body will."""
        try:
            request = self.requests.to(target)
        except UnicodeDecodeError as error:
            raise self.told(error) from None
        account = self.account
        return await self.pool.send(request, body, connect=account.connect, silence=account.idle, told=self.told)

    def told(self, error: Exception) -> AibridgeError:
        """The error of ours for one of aiohttp's."""
        return self.explain(translate(error))

    def explain(self, error: httpx2.RequestError) -> AibridgeError:
        return faults.explain(self.name, error, connect=self.account.connect, read=self.account.idle)


class Upstream:
    """One interception's way to its provider: implements ports.Upstream."""

    def __init__(self, line: _Line, target: Target) -> None:
        self._line = line
        self._target = target

    def open(self, body: bytes) -> AbstractAsyncContextManager[Response]:
        """Sends one request; the response has its first body byte, or its end, when it is handed over.

        Raises UpstreamError or UpstreamTimeout on entry where there is no response to hand over, ClientError where
        the request holds what HTTP cannot carry. Leaving the context early closes the connection.
        """
        return _Round(self._line, self._target, body)


class _Round:
    """One request and its response, while somebody wants them."""

    __slots__ = ("_answer", "_body", "_line", "_target")

    def __init__(self, line: _Line, target: Target, body: bytes) -> None:
        self._line = line
        self._target = target
        self._body = body
        self._answer: Answer

    async def __aenter__(self) -> Response:
        return await self._attempt()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._answer.close()

    async def _attempt(self) -> Response:
        """One request and the beginning of its answer: all that can be tried again."""
        first_byte = self._line.account.first_byte
        try:
            async with asyncio.timeout(first_byte) as guard:
                self._answer = await self._line.send(self._target, self._body)
                try:
                    return await self._receive(self._answer, guard)
                except BaseException:
                    self._answer.close()
                    raise
        except TimeoutError:
            raise faults.never_began(self._line.name, first_byte) from None

    async def _receive(self, answer: Answer, guard: asyncio.Timeout) -> Response:
        status = answer.status
        headers = tuple((name.lower(), value) for name, value in answer.headers)
        self._check(status, headers)
        headers, rest = plain(headers, answer, self._line.explain)
        first = await anext(rest, b"")
        guard.reschedule(None)
        if status >= 400:
            headers, first, rest = *self._redacted(headers, await whole(first, rest, MAX_ERROR_BYTES)), Nothing()
        return Response(status, headers, first, rest)

    def _check(self, status: int, headers: Headers) -> None:
        credential = self._target.credential
        if status in _REDIRECTS:
            raise faults.redirected(self._line.name, header(headers, b"location").decode("latin-1"))
        if status == 401 and credential is not None and credential.kind == "centralized":
            raise faults.refused_key(self._line.name, credential)

    def _redacted(self, headers: Headers, body: bytes) -> tuple[Headers, bytes]:
        secrets = replacements(self._target.credential, self._line.account.provider.api_keys)
        clean = redact(body, secrets)
        headers = tuple((name, redact(value, secrets)) for name, value in headers)
        if clean and header(headers, b"content-length") != b"%d" % len(clean):  # the answer to a HEAD has no body
            headers = without(headers, b"content-length")
        return headers, clean
