"""A provider's answer, as the rest of the house sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2

from aibridge.errors import AibridgeError
from aibridge.model import Headers
from aibridge.upstream.decoding import decoded

Pieces = AsyncIterator[bytes]
Explain = Callable[[httpx2.RequestError], AibridgeError]


class Response:
    """Implements ports.Response: a first piece that has been seen, and the rest as it arrives.

    `first` is the whole body of an error; it is empty once it was read.
    """

    __slots__ = ("_rest", "first", "headers", "status")

    def __init__(self, status: int, headers: Headers, first: bytes, rest: Pieces) -> None:
        self.status = status
        self.headers = headers
        self.first = first
        self._rest = rest

    def __aiter__(self) -> Pieces:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        """The next piece. Raises UpstreamError where the body is cut, UpstreamTimeout where it stalls."""
        return self._seen() if self.first else anext(self._rest)

    async def _seen(self) -> bytes:
        first, self.first = self.first, b""
        return first


def plain(headers: Headers, body: Pieces, explain: Explain) -> tuple[Headers, Pieces]:
    """The headers and the body without a content-coding, whichever it came in."""
    coding = header(headers, b"content-encoding").decode("latin-1").strip().lower()
    if coding in ("", "identity"):
        return headers, body
    return without(headers, b"content-encoding", b"content-length"), _explained(decoded(coding, body), explain)


async def _explained(pieces: Pieces, explain: Explain) -> Pieces:
    try:
        async for piece in pieces:
            yield piece
    except httpx2.DecodingError as error:
        raise explain(error) from None


async def whole(first: bytes, rest: Pieces, limit: int) -> bytes:
    """A body in one, cut at `limit` bytes."""
    pieces, size = [first], len(first)
    while size < limit and (piece := await anext(rest, b"")):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)[:limit]


class Nothing(Pieces):
    """A body that is over."""

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


def header(headers: Headers, name: bytes) -> bytes:
    """The first value of a header; nothing where there is none."""
    return next((value for known, value in headers if known == name), b"")


def without(headers: Headers, *names: bytes) -> Headers:
    """The headers but those named."""
    return tuple(field for field in headers if field[0] not in names)
