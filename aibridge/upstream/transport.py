"""httpx2 spoken over aiohttp: its parser costs less than half of what httpx2's own transport does.

What goes out is what the request holds, byte for byte: no cookies, no redirects, no automatic headers, nothing from
the environment. What comes back is not decoded.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Final

import aiohttp
import httpx2
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from aibridge.upstream.exceptions import FOREIGN, translate
from aibridge.upstream.silence import Silence

KEEPALIVE_SECONDS: Final = 30.0
"""How long an idle connection is kept: less than providers do, or a request could meet a closing one."""

_SLICE: Final = 256 * 1024  # bytes of a request's body that are handed to the socket at once
_HEADER_BYTES: Final = 64 * 1024  # what one header of a response may hold
_NO_LIMIT: Final = 86_400.0  # seconds; stands for a request without a read timeout
_AUTOMATIC: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """One connection pool. It opens on its first request, in the loop of that request.

    `limit` bounds the connections (0: no bound), `proxy` is the URL of an HTTP proxy. Of a request's extensions it
    knows `target` (the request target, sent as it is) and `timeout`: `connect`, which includes the wait for a place
    in the pool, and `read`, the silence allowed *between* two pieces of a body. How long the first piece may take is
    for the caller to say, who can tell a model that thinks from a connection that is dead.
    """

    def __init__(self, context: ssl.SSLContext, *, proxy: str | None = None, limit: int = 0) -> None:
        self._context = context
        self._proxy = proxy
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request and returns once the response's head is there. Raises httpx2.TransportError."""
        session = self._session or self._open()
        timeout = request.extensions.get("timeout", {})
        headers = _headers(request)
        body = await request.aread()
        try:
            response = await session.request(
                request.method,
                _url(request),
                headers=headers,
                data=_Body(body) if body else None,
                timeout=_timeout(timeout.get("connect")),
                allow_redirects=False,
            )
        except FOREIGN as error:
            raise translate(error) from None
        return httpx2.Response(
            response.status,
            headers=response.raw_headers,
            stream=_Stream(response, timeout.get("read") or _NO_LIMIT),
        )

    async def aclose(self) -> None:
        """Closes all connections, those in use too."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self._context, limit=self._limit, keepalive_timeout=KEEPALIVE_SECONDS)
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


class _Response(aiohttp.ClientResponse):
    def close(self) -> None:
        """Ends the connection at once.

        A polite end waits, in TLS for the peer's goodbye and else for what is still to be sent, and a provider
        that is not told goes on working.
        """
        if self.connection is not None and self.connection.transport is not None:
            self.connection.transport.abort()
        super().close()


class _Stream(httpx2.AsyncByteStream):
    """A response's body as it arrives: what came together comes in one piece."""

    def __init__(self, response: aiohttp.ClientResponse, silence: float) -> None:
        self._response = response
        self._content = response.content
        self._silence = Silence(silence, self._interrupt)
        self._begun = False
        self._error: httpx2.TransportError | None = None
        self._closed = self._watch()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._begun and not self._content.is_eof():
            self._silence.begin()
        try:
            piece = await self._content.readany()
        except FOREIGN as error:
            piece = self._rescue(translate(error))
        finally:
            self._silence.end()
        if not piece:
            raise self._error or StopAsyncIteration
        self._begun = True
        return piece

    async def aclose(self) -> None:
        """Closes the connection, unless the whole body came and it is back in the pool."""
        self._silence.stop()
        if self._closed is not None:
            self._closed.remove_done_callback(self._lost)
        if not self._response.closed:
            self._response.close()

    def _rescue(self, error: httpx2.TransportError) -> bytes:
        """What came before the error, which is raised when next asked: aiohttp would have the error overtake it."""
        self._error = error
        left = b"".join(self._content._buffer)
        self._content._buffer.clear()
        return left

    def _interrupt(self) -> None:
        self._content.set_exception(httpx2.ReadTimeout("it fell silent"))

    def _watch(self) -> asyncio.Future[None] | None:
        """Looks out for the connection's end: of a body that breaks HTTP's rules, aiohttp tells the reader nothing."""
        connection = self._response.connection
        if connection is None or connection.protocol is None:
            return None  # the whole body is here
        closed = connection.protocol.closed
        if closed is None:
            self._lost()
            return None
        closed.remove_done_callback(_seen)
        closed.add_done_callback(_seen)
        closed.add_done_callback(self._lost)
        return closed

    def _lost(self, _: object = None) -> None:
        if not self._content.is_eof() and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientPayloadError())


def _seen(closed: asyncio.Future[None]) -> None:
    closed.exception()  # or asyncio would complain that nobody looked


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


def _url(request: httpx2.Request) -> URL:
    url = request.url
    target: bytes = request.extensions.get("target", url.raw_path)
    return URL(f"{url.scheme}://{url.netloc.decode()}{target.decode('ascii')}", encoded=True)


def _headers(request: httpx2.Request) -> list[tuple[str, str]]:
    # aiohttp writes text as UTF-8, so that is how bytes must be read to go out as they are.
    try:
        return [(name.decode(), value.decode()) for name, value in request.headers.raw]
    except UnicodeDecodeError:
        raise httpx2.LocalProtocolError("a header is not UTF-8") from None


@lru_cache(maxsize=64)
def _timeout(connect: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=connect)
