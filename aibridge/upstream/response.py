"""A provider's answer, as the rest of the house sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx2
from msgspec import Struct

from aibridge.errors import AibridgeError
from aibridge.model import Headers
from aibridge.upstream.decoding import decoded
from aibridge.upstream.redaction import Cleaner

Pieces = AsyncIterator[bytes]
Explain = Callable[[httpx2.RequestError], AibridgeError]


class Response(Struct, frozen=True):
    """Implements ports.Response: a body whose first piece, or end, has been seen."""

    status: int
    headers: Headers
    body: Pieces
    """Raises UpstreamError where it is cut, UpstreamTimeout where it stalls."""

    error: bytes = b""
    """The whole of an error's body."""

    def __aiter__(self) -> Pieces:
        return self.body


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


async def cleaned(first: bytes, rest: Pieces, cleaner: Cleaner) -> Pieces:
    """A body without its secrets. What came before any trouble comes before it."""
    try:
        if piece := cleaner.clean(first):
            yield piece
        async for data in rest:
            if piece := cleaner.clean(data):
                yield piece
    except AibridgeError:
        if piece := cleaner.rest():
            yield piece
        raise
    if piece := cleaner.rest():
        yield piece


async def alone(piece: bytes) -> Pieces:
    """A body of one piece; of none where that is empty."""
    if piece:
        yield piece


def header(headers: Headers, name: bytes) -> bytes:
    """The first value of a header; nothing where there is none."""
    return next((value for known, value in headers if known == name), b"")


def without(headers: Headers, *names: bytes) -> Headers:
    """The headers but those named."""
    return tuple(field for field in headers if field[0] not in names)
