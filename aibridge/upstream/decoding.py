"""Compressed bodies made plain, a piece at a time, by providers that compress although asked not to."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

import httpx2

MAX_DECODED_BYTES = 64 * 1024 * 1024
"""What a compressed body may become before it is given up as a bomb."""

_PIECE_BYTES = 256 * 1024  # what is decompressed at once
_GZIP = zlib.MAX_WBITS | 16
_RAW = -zlib.MAX_WBITS


async def decoded(coding: str, body: AsyncIterator[bytes], limit: int = MAX_DECODED_BYTES) -> AsyncIterator[bytes]:
    """The plain bytes of a body in one content-coding: `gzip` or `deflate`.

    Raises httpx2.DecodingError where the coding is another, the body is damaged or cut, or exceeds `limit` bytes.
    """
    decoder = _Decoder(coding)
    total = 0
    async for data in body:
        for piece in decoder.feed(data):
            total += len(piece)
            if total > limit:
                raise httpx2.DecodingError(f"its {coding} body exceeds {limit} bytes when decoded")
            yield piece
    decoder.end()


class _Decoder:
    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inflate = zlib.decompressobj(_GZIP)
        self._head = b""  # the first bytes, until there are enough to tell the two kinds of deflate apart
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if not self._begun:
            data = self._head = self._head + data
            if len(data) < 2:
                return
            self._begin(data)
        try:
            yield from self._pieces(data)
        except zlib.error:
            raise httpx2.DecodingError(f"its {self._coding} body is damaged") from None

    def end(self) -> None:
        if (self._head or self._begun) and not self._inflate.eof:
            raise httpx2.DecodingError(f"its {self._coding} body was cut off")

    def _begin(self, data: bytes) -> None:
        self._begun = True
        if self._coding not in ("gzip", "x-gzip", "deflate"):
            raise httpx2.DecodingError(f"its answer is encoded as {self._coding[:40]!r}, though identity was asked for")
        if self._coding == "deflate":  # zlib's format by the standard, the bare one by some servers' reading of it
            wrapped = data[0] & 15 == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if wrapped else _RAW)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        piece = b""
        # A full piece may have left more of itself in the decompressor than of its input.
        while data or (len(piece) == _PIECE_BYTES and not self._inflate.eof):
            if self._inflate.eof:
                if self._coding == "deflate":
                    return  # whatever follows is none of it
                self._inflate = zlib.decompressobj(_GZIP)  # gzip has members, one after another
            piece = self._inflate.decompress(data, _PIECE_BYTES)
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
            if piece:
                yield piece
