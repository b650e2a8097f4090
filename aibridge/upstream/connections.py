"""The connections to providers, on aiohttp.

What goes out is what is given, byte for byte: no cookies, no redirects, no automatic headers, nothing from the
environment. What comes back is not decoded.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from msgspec import Struct
from yarl import URL

from aibridge.upstream.answer import Answer
from aibridge.upstream.exceptions import FOREIGN, Told

KEEPALIVE_SECONDS: Final = 30.0
"""How long an idle connection is kept: less than providers do, or a request could meet a closing one."""

_SLICE: Final = 256 * 1024  # bytes of a request's body that are handed to the socket at once
_HEADER_BYTES: Final = 64 * 1024  # what one header of a response may hold
_AUTOMATIC: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Request(Struct, frozen=True):
    """What is sent but for the body. The URL's path and query go out as they are, the headers as UTF-8."""

    method: str
    url: URL
    headers: Sequence[tuple[str, str]]


class Connections:
    """One pool. It opens on its first request, in the loop of that request.

    `limit` bounds the connections (0: no bound), `proxy` is the URL of an HTTP proxy. `keepalive`: seconds that an
    idle connection is kept, fewer than the server keeps it, or a request could meet a closing one.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        proxy: str | None = None,
        limit: int = 0,
        keepalive: float = KEEPALIVE_SECONDS,
    ) -> None:
        self._context = context
        self._keepalive = keepalive
        self._proxy = proxy
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self, request: Request, body: bytes, *, connect: float | None, silence: float | None, told: Told
    ) -> Answer:
        """Sends a request and returns once the response's head is there.

        `connect`: seconds for a place in the pool and a connection. `silence`: seconds between two pieces of the
        answer's body. Trouble now, and later with the body, is raised as `told` tells it.
        """
        session = self._session or self._open()
        try:
            response = await session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=_Body(body) if body else None,
                timeout=_timeout(connect),
                allow_redirects=False,
            )
        except FOREIGN as error:
            raise told(error) from None
        return Answer(response, silence, told)

    async def aclose(self) -> None:
        """Closes all connections, those in use too."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self._context, limit=self._limit, keepalive_timeout=self._keepalive)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_AUTOMATIC,
            response_class=_Response,
            auto_decompress=False,
            trust_env=False,
            proxy=self._proxy,
            max_field_size=_HEADER_BYTES,
        )
        return self._session


def decoded_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Headers as a request takes them. Raises UnicodeDecodeError for what is not UTF-8.

    aiohttp writes text as UTF-8, so that is how bytes must be read to go out as they are.
    """
    return [(name.decode(), value.decode()) for name, value in headers]


class _Response(aiohttp.ClientResponse):
    def close(self) -> None:
        """Ends the connection at once.

        A polite end waits, in TLS for the peer's goodbye and else for what is still to be sent, and a provider
        that is not told goes on working.
        """
        if self.connection is not None and self.connection.transport is not None:
            self.connection.transport.abort()
        super().close()


class _Body(aiohttp.BytesPayload):
    """A request's body that goes out in slices, so that a large one holds up no other request."""

    def __init__(self, body: bytes) -> None:
        aiohttp.Payload.__init__(self, body)  # BytesPayload's own warns of a large body, which is met here
        self._size = len(body)

    async def write(self, writer: AbstractStreamWriter) -> None:
        for start in range(0, len(self._value), _SLICE):
            await writer.write(self._value[start : start + _SLICE])

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        await self.write(writer)


@lru_cache(maxsize=64)
def _timeout(connect: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=connect)
