"""What is sent to a provider: the caller's headers that may go on, the operator's, the credential."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import quote

import httpx2
from yarl import URL

from aibridge.model import Headers, Target
from aibridge.providers import Provider
from aibridge.upstream.connections import Request, decoded_headers

# About the message as it came to us; the transport says these anew, and `expect` would have it wait for an answer.
_OURS: Final = frozenset(
    (b"accept-encoding", b"connection", b"content-length", b"expect", b"host", b"transfer-encoding")
)
_IDENTITY: Final = (b"accept-encoding", b"identity")
_JSON: Final = (b"content-type", b"application/json")
_URL_SAFE: Final = "!$%&'()*+,-./:;=?@[]^_`{|}~\"<>\\"  # what passes as it came: all of ASCII but space, # and controls


class Requests:
    """Makes the requests that go to one provider."""

    def __init__(self, provider: Provider) -> None:
        base = httpx2.URL(provider.base_url)
        self._base = f"{base.scheme}://{base.netloc.decode()}{base.raw_path.rstrip(b'/').decode()}"
        self._ours: Headers = tuple(
            (name.lower().encode(), value.encode()) for name, value in provider.extra_headers.items()
        )
        self._replaced = _OURS.union(name for name, _ in self._ours)

    def to(self, target: Target) -> Request:
        """The request to a target, but for its body. Raises UnicodeDecodeError for a header that is not UTF-8."""
        return Request(
            target.method, _url(self._base, target.path, target.query), decoded_headers(self._headers(target))
        )

    def _headers(self, target: Target) -> Headers:
        ours, replaced = self._ours, self._replaced
        if target.credential is not None:
            ours, replaced = (*ours, target.credential.header), _with(replaced, target.credential.header[0])
        theirs = [header for header in target.headers if header[0] not in replaced]
        headers = (*theirs, _IDENTITY, *ours)
        if target.method == "POST" and b"content-type" not in [name for name, _ in headers]:
            return (*headers, _JSON)
        return headers


@lru_cache(maxsize=64)  # credentials come in one of two headers
def _with(names: frozenset[bytes], name: bytes) -> frozenset[bytes]:
    return names | {name}


@lru_cache(maxsize=64)  # nearly all requests go to a few targets
def _url(base: str, path: str, query: bytes) -> URL:
    target = path.encode() + (b"?" + query if query else b"")
    return URL(base + quote(target, safe=_URL_SAFE), encoded=True)
