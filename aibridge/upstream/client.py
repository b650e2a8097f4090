"""The providers, each with its way there: implements ports.Upstreams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import httpx2

from aibridge.errors import AibridgeError
from aibridge.model import Headers, Target
from aibridge.providers import Provider
from aibridge.upstream import faults
from aibridge.upstream.redaction import redact, replacements
from aibridge.upstream.request import Requests
from aibridge.upstream.response import Nothing, Response, header, plain, whole, without
from aibridge.upstream.transport import AiohttpTransport
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
        self._transports: dict[tuple[str | None, Path | None], AiohttpTransport] = {}
        self._lines = {account.provider.name: _Line(account, self._transport(account)) for account in accounts}

    def bind(self, target: Target) -> Upstream:
        """The way to one target; opens nothing yet. Raises KeyError for a provider that is no account here."""
        return Upstream(self._lines[target.provider], target)

    async def aclose(self) -> None:
        """Closes every connection, those in use too."""
        for transport in self._transports.values():
            await transport.aclose()

    def _transport(self, account: Account) -> AiohttpTransport:
        key = account.proxy, account.ca_file
        if key not in self._transports:
            try:
                context = authorities(account.ca_file) if account.ca_file else system_authorities()
            except ValueError as error:
                raise ValueError(f"providers.{account.provider.name}.{error}") from None
            self._transports[key] = AiohttpTransport(context, proxy=account.proxy, limit=self._limit)
        return self._transports[key]


class _Line:
    """What all requests to one account share."""

    def __init__(self, account: Account, transport: AiohttpTransport) -> None:
        self.provider = account.provider
        self.name = account.provider.name
        self.url = httpx2.URL(account.provider.base_url)
        self.first_byte = account.first_byte
        self.timeout = {"connect": account.connect, "read": account.idle}
        self.transport = transport

    def explain(self, error: httpx2.RequestError) -> AibridgeError:
        return faults.explain(self.name, error, **self.timeout)


class Upstream:
    """One interception's way to its provider: implements ports.Upstream."""

    def __init__(self, line: _Line, target: Target) -> None:
        self._line = line
        self._credential = target.credential
        self._requests = Requests(line.provider, line.url, target, line.timeout)

    @asynccontextmanager
    async def open(self, body: bytes) -> AsyncIterator[Response]:
        """Sends one request; the response has its first body byte, or its end, when it is handed over.

        Raises UpstreamError or UpstreamTimeout on entry where there is no response to hand over, ClientError where
        the request holds what HTTP cannot carry. Leaving the context early closes the connection.
        """
        response = await self._attempt(body)
        try:
            yield response
        finally:
            await response.aclose()

    async def _attempt(self, body: bytes) -> Response:
        """One request and the beginning of its answer: all that can be tried again."""
        try:
            async with asyncio.timeout(self._line.first_byte) as guard:
                return await self._send(self._requests.make(body), guard)
        except TimeoutError:
            raise faults.never_began(self._line.name, self._line.first_byte) from None
        except httpx2.RequestError as error:
            raise self._line.explain(error) from None

    async def _send(self, request: httpx2.Request, guard: asyncio.Timeout) -> Response:
        answer = await self._line.transport.handle_async_request(request)
        body = cast(httpx2.AsyncByteStream, answer.stream)  # a response holds either kind of stream; this is ours
        try:
            return await self._receive(answer, body, guard)
        except BaseException:
            await body.aclose()
            raise

    async def _receive(self, answer: httpx2.Response, body: httpx2.AsyncByteStream, guard: asyncio.Timeout) -> Response:
        status = answer.status_code
        headers = tuple((name.lower(), value) for name, value in answer.headers.raw)
        self._check(status, headers)
        headers, rest = plain(headers, aiter(body))
        first = await anext(rest, b"")
        guard.reschedule(None)
        if status >= 400:
            headers, first, rest = *self._redacted(headers, await whole(first, rest, MAX_ERROR_BYTES)), Nothing()
        return Response(status, headers, first, rest, explain=self._line.explain, aclose=body.aclose)

    def _check(self, status: int, headers: Headers) -> None:
        if status in _REDIRECTS:
            raise faults.redirected(self._line.name, header(headers, b"location").decode("latin-1"))
        if status == 401 and self._credential is not None and self._credential.kind == "centralized":
            raise faults.refused_key(self._line.name, self._credential)

    def _redacted(self, headers: Headers, body: bytes) -> tuple[Headers, bytes]:
        secrets = replacements(self._credential, self._line.provider.api_keys)
        clean = redact(body, secrets)
        headers = tuple((name, redact(value, secrets)) for name, value in headers)
        if clean and header(headers, b"content-length") != b"%d" % len(clean):  # the answer to a HEAD has no body
            headers = without(headers, b"content-length")
        return headers, clean
