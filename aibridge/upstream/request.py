"""What is sent to a provider: the caller's headers that may go on, the operator's, the credential, and the body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import httpx2

from aibridge.model import Headers, Target
from aibridge.providers import Provider

# About the message as it came to us; the transport says these anew, and `expect` would have it wait for an answer.
_OURS: Final = frozenset(
    (b"accept-encoding", b"connection", b"content-length", b"expect", b"host", b"transfer-encoding")
)
_IDENTITY: Final = (b"accept-encoding", b"identity")
_JSON: Final = (b"content-type", b"application/json")
_URL_SAFE: Final = "!$%&'()*+,-./:;=?@[]^_`{|}~\"<>\\"  # what passes as it came: all of ASCII but space, # and controls


class Requests:
    """Makes the requests that go to one target; all but their bodies is alike. `url` is the provider's base URL."""

    def __init__(self, provider: Provider, url: httpx2.URL, target: Target, timeout: Mapping[str, float]) -> None:
        self._method = target.method
        self._url = url
        self._headers = httpx2.Headers(_headers(provider, target))
        self._extensions = {"target": _target(url.raw_path.rstrip(b"/"), target), "timeout": timeout}

    def make(self, body: bytes) -> httpx2.Request:
        """A request with a body. It is given as a stream, so that httpx2 adds no header."""
        stream = httpx2.ByteStream(body)
        return httpx2.Request(
            self._method, self._url, headers=self._headers, stream=stream, extensions=self._extensions
        )


def _headers(provider: Provider, target: Target) -> Headers:
    ours = [(name.lower().encode(), value.encode()) for name, value in provider.extra_headers.items()]
    if target.credential is not None:
        ours.append(target.credential.header)
    replaced = _OURS.union(name.lower() for name, _ in ours)
    theirs = [header for header in target.headers if header[0].lower() not in replaced]
    if target.method == "POST" and not any(name == b"content-type" for name, _ in (*theirs, *ours)):
        ours.append(_JSON)
    return (*theirs, _IDENTITY, *ours)


def _target(prefix: bytes, target: Target) -> bytes:
    path = prefix + target.path.encode()
    if target.query:
        path += b"?" + target.query
    return quote(path, safe=_URL_SAFE).encode()
