"""What both relays do with a request and a response: the body as it is, the headers but for those of a connection."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Receive, Scope

RawHeaders = list[tuple[bytes, bytes]]

_OURS = frozenset((b"host", b"content-length", b"connection"))
_HOP = frozenset((b"connection", b"keep-alive", b"transfer-encoding"))


async def read(receive: Receive) -> bytes:
    """The whole body of a request."""
    message = await receive()
    body: bytes = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    return body


def request_headers(scope: Scope) -> RawHeaders:
    return [header for header in scope["headers"] if header[0] not in _OURS]


def response_headers(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    return [header for header in headers if header[0].lower() not in _HOP]
