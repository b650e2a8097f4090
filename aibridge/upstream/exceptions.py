"""aiohttp's exceptions as httpx2's, each with words of our own.

A foreign exception's text may hold a URL, and its representation the request's headers with the key among them:
nothing of either is kept.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable

import aiohttp
import httpx2
from aiohttp.http import HttpProcessingError

FOREIGN = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)
"""What aiohttp raises for trouble with a request; a TimeoutError is an OSError."""

Told = Callable[[Exception], Exception]
"""Turns one of FOREIGN into what is raised in its place."""


def translate(error: Exception) -> httpx2.TransportError:
    """The httpx2 exception for one of FOREIGN; the first match wins."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx2.ConnectTimeout("no connection in time")
        case TimeoutError():
            return httpx2.ReadTimeout("no data in time")
        case aiohttp.ClientHttpProxyError():
            return httpx2.ProxyError(f"the proxy refused with status {error.status}")
        case aiohttp.ClientProxyConnectionError():
            return httpx2.ProxyError(f"the proxy cannot be reached: {_os_reason(error)}")
        case aiohttp.ClientConnectorDNSError():
            return httpx2.ConnectError(f"the host {error.host} is unknown")
        case ssl.SSLError():  # before a certificate's and a handshake's other base, ClientConnectorError
            return httpx2.ConnectError(f"TLS failed: {_tls_reason(error)}")
        case aiohttp.ClientConnectorError():
            return httpx2.ConnectError(_os_reason(error))
        case _:
            return _broken(error)


def _broken(error: Exception) -> httpx2.TransportError:
    match error:
        case aiohttp.ServerDisconnectedError():
            return httpx2.RemoteProtocolError("it closed the connection without an answer")
        case aiohttp.ClientPayloadError():
            return httpx2.RemoteProtocolError("its answer was cut off")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return httpx2.RemoteProtocolError("its answer is not valid HTTP")
        case ValueError():
            return httpx2.LocalProtocolError("the request holds a character that HTTP forbids")
        case OSError():
            return httpx2.ReadError(_os_reason(error))
        case _:
            return httpx2.ReadError("the connection was lost")


def _os_reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "the connection failed"


def _tls_reason(error: ssl.SSLError) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    return (cause.reason or "the handshake failed").replace("_", " ").lower()
