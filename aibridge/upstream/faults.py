"""What went wrong on the way to a provider, as errors of ours: the one place where httpx2's exceptions end.

The words are made of the provider's name, limits from the configuration, and the transport's own reasons; no URL, no
header and no body can be in them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx2

from aibridge.errors import AibridgeError, ClientError, UpstreamError, UpstreamTimeout
from aibridge.model import Credential


def explain(provider: str, error: httpx2.RequestError, *, connect: float, read: float) -> AibridgeError:
    """The error that a client is shown for an exception of the transport; `connect` and `read` are its timeouts."""
    match error:
        case httpx2.ConnectTimeout():
            return UpstreamTimeout(f"{provider} could not be reached within {connect:g} s")
        case httpx2.TimeoutException():
            return UpstreamTimeout(f"{provider} fell silent for {read:g} s")
        case httpx2.ConnectError() | httpx2.ProxyError():
            return UpstreamError(f"{provider} could not be reached: {error}")
        case httpx2.LocalProtocolError():
            return ClientError(f"the request cannot go to {provider}: {error}")
        case _:
            return UpstreamError(f"{provider} failed: {error}")


def never_began(provider: str, first_byte: float) -> UpstreamTimeout:
    """No byte of a body came within `first_byte` seconds."""
    return UpstreamTimeout(f"{provider} did not start responding within {first_byte:g} s")


def refused_key(provider: str, credential: Credential) -> UpstreamError:
    """The provider refused a key of ours: not the caller's fault, so not a 401 to them."""
    return UpstreamError(
        f"{provider} refused the gateway's own key ({credential.hint}): ask the operator to replace it",
        type="unauthorized",
    )


def no_key_left(provider: str, model: str, retry_after: float | None) -> UpstreamError:
    """The provider refused our last key, and the others rest from their rate limits."""
    return UpstreamError(
        f"{provider} has no usable key left{f' for {model:.100}' if model else ''}: ask again later",
        status=429,
        type="rate_limited",
        retry_after=retry_after,
    )


class Redirected(UpstreamError):
    """The provider sent us elsewhere, as it will again."""


def redirected(provider: str, location: str) -> Redirected:
    """The provider sent us elsewhere; whither is told without path and query, which may hold secrets."""
    return Redirected(
        f"{provider} redirects to {_origin(location)}, and redirects are not followed: "
        f"base_url of {provider} should point to where it redirects"
    )


def _origin(location: str) -> str:
    try:
        parts = urlsplit(location)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "an invalid address"
    if not host:
        return "another path"
    return f"{parts.scheme or 'https'}://{host}{f':{port}' if port else ''}"
