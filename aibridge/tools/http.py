"""The HTTP client under the SDK's transports: one request's failure stays its own, and says what it was.

Left alone, a refused connection or a broken body tears the whole session down, every call in flight with it, and an
unwanted status loses its number. Here each becomes a JSON-RPC error for the one request, which the SDK hands to its
caller. A session that the server no longer knows, and a body without end, are told apart too.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import httpx2
import msgspec
from mcp_types import CONNECTION_CLOSED

from aibridge.tools.faults import answered

SESSION_LOST = -32950
"""Our own JSON-RPC code: the server has forgotten the session, so it never ran the request."""

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""What one answer of a server may hold before it is given up."""

CONNECT_SECONDS = 10.0
WRITE_SECONDS = 30.0


NewTransport = Callable[[], httpx2.AsyncBaseTransport]
"""Makes the connections to one server; they are closed with its client."""


class TooLong(httpx2.StreamError):
    """The body goes on beyond what we are willing to hold."""


class Cut(httpx2.StreamError):
    """The connection broke within a body."""


class McpHttp(httpx2.AsyncClient):
    """An HTTP client for one MCP server. `on_trouble` hears of failures that may mean the server is gone.

    Without a `transport` it has httpx2's own, which goes by the environment's proxies and authorities.
    """

    def __init__(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        auth: httpx2.Auth | None = None,
        on_trouble: Callable[[], None] = lambda: None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(
            transport=transport,
            headers={"accept-encoding": "identity"} | dict(headers or {}),
            auth=auth,
            # A tool may be silent for long: each call has its own deadline, so reading has none.
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS, write=WRITE_SECONDS),
            # Waiting for a free connection would count against a call's deadline.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        )
        self.session_id: str | None = None  # of the session that the SDK has opened, if the server keeps any
        self._on_trouble = on_trouble

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Sends as the base class does, but answers a POST in JSON-RPC whatever becomes of it."""
        self.session_id = request.headers.get("mcp-session-id")
        try:
            response = await super().send(request, **options)
        except httpx2.TransportError as error:
            self._on_trouble()
            if request.method != "POST":
                raise
            return _failure(request, CONNECTION_CLOSED, _unreachable(error))
        return await self._seen(request, response)

    async def _seen(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if _forgotten(request, response) or response.status_code >= 500:
            self._on_trouble()
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            return _failure(request, CONNECTION_CLOSED, "the server compressed its answer, which was not asked for")
        if isinstance(response.stream, httpx2.AsyncByteStream) and _is_json(response):
            response.stream = _Bounded(response.stream)
        if request.method == "POST" and response.status_code >= 400:
            return await _translated(request, response)
        return response


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends in an error the SDK confines to its request: at the limit, or where the connection breaks."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = 0
        try:
            async for chunk in self._stream:
                length += len(chunk)
                if length > MAX_MESSAGE_BYTES:
                    raise TooLong(f"it exceeds the limit of {MAX_MESSAGE_BYTES} bytes")
                yield chunk
        except httpx2.TransportError as error:
            raise Cut(f"the connection broke ({type(error).__name__})") from error

    async def aclose(self) -> None:
        await self._stream.aclose()


def without_userinfo(url: str) -> tuple[str, httpx2.Auth | None]:
    """The URL as it may stand in logs and errors of libraries, and the user and password it had."""
    parts = urlsplit(url)
    userinfo, _, host = parts.netloc.rpartition("@")
    if not userinfo:
        return url, None
    user, _, password = userinfo.partition(":")
    bare = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
    return bare, httpx2.BasicAuth(unquote(user), unquote(password))


def environment_decides(url: str) -> bool:
    """Whether the environment says how a server is reached or whom to trust: httpx2's own transport obeys it."""
    parts = urlsplit(url)
    if parts.scheme == "https" and any(name in os.environ for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")):
        return True
    proxied = not {parts.scheme, "all"}.isdisjoint(getproxies())
    return proxied and not proxy_bypass(parts.hostname or "")


def _forgotten(request: httpx2.Request, response: httpx2.Response) -> bool:
    return response.status_code == 404 and "mcp-session-id" in request.headers


def _is_json(response: httpx2.Response) -> bool:
    content_type: str = response.headers.get("content-type", "")
    return content_type.lower().startswith("application/json")


async def _translated(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    """The JSON-RPC error in an unwanted answer, or one that names its status."""
    if _forgotten(request, response):
        await response.aclose()
        return _failure(request, SESSION_LOST, "the server has forgotten the session")
    if await _is_error(response):
        return response
    await response.aclose()
    return _failure(request, CONNECTION_CLOSED, answered(response), response.status_code)


class _Error(msgspec.Struct):
    code: int
    message: str


class _Failed(msgspec.Struct):
    error: _Error


async def _is_error(response: httpx2.Response) -> bool:
    """Whether the body is a JSON-RPC error."""
    if not _is_json(response):
        return False
    try:
        msgspec.json.decode(await response.aread(), type=_Failed)
    except (httpx2.StreamError, ValueError):
        return False
    return True


def _failure(request: httpx2.Request, code: int, message: str, status: int = 503) -> httpx2.Response:
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return httpx2.Response(
        status, content=msgspec.json.encode(body), headers={"content-type": "application/json"}, request=request
    )


def _unreachable(error: httpx2.TransportError) -> str:
    """What kept a request from its answer; the exception's own text may hold the URL."""
    match error:
        case httpx2.ConnectTimeout():
            return f"the server did not accept a connection within {CONNECT_SECONDS:g} s"
        case httpx2.ConnectError():
            return "the server can't be reached"
        case _:
            return f"the connection broke ({type(error).__name__})"
