"""One round as text: the request, the answer, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aibridge.model import Headers
from aibridge.upstream.connections import Request
from aibridge.upstream.dump.files import File, Files
from aibridge.upstream.dump.masks import Masks

MAX_BYTES: Final = 16 * 1024 * 1024
"""What is written of one round; the rest is left out, and said to be."""

_LAST_LINE: Final = 512


class Transcript:
    """Call `request`, then `head`, `body` for each piece, and `end` once, however it went."""

    def __init__(
        self, files: Files, file: File, masks: Masks, now: Callable[[], float], *, max_bytes: int = MAX_BYTES
    ) -> None:
        self._files = files
        self._file = file
        self._masks = masks
        self._cleaner = masks.cleaner()
        self._now = now
        self._began = now()
        self._limit = self._room = max_bytes
        self._left_out = ""

    def request(self, request: Request, body: bytes) -> None:
        """The request as it is sent."""
        masks, url = self._masks, request.url
        line = b"%s %s HTTP/1.1" % (request.method.encode(), masks.target(url.raw_path_qs.encode()))
        headers = [(name.encode(), value.encode()) for name, value in request.headers]
        host = (b"host", url.raw_authority.rpartition("@")[2].encode())
        self._put(_head(line, masks.headers((host, *headers))) + masks.body(body) + b"\n\n")

    def head(self, status: int, headers: Headers) -> None:
        """The answer's beginning."""
        self._put(_head(b"HTTP/1.1 %d" % status, self._masks.headers(headers)))

    def body(self, piece: bytes) -> None:
        """A piece of the answer's body."""
        self._put(self._cleaner.clean(piece))

    def end(self, how: str) -> None:
        """The last line."""
        self._put(self._cleaner.rest())
        words = self._masks.text(f"{how}, after {self._now() - self._began:.3f} s{self._left_out}".encode())
        self._files.close(self._file, b"\n--- " + words[:_LAST_LINE].replace(b"\n", b" ") + b"\n")

    def _put(self, text: bytes) -> None:
        if self._left_out or not text:
            return
        if len(text) > self._room:
            text, self._left_out = text[: self._room], f"; what is above {self._limit} bytes is left out"
        self._room -= len(text)
        if not self._files.put(self._file, text):
            self._left_out = "; a part is left out, for the disk was too slow"


def _head(line: bytes, headers: Headers) -> bytes:
    return b"\n".join([line, *(b"%s: %s" % header for header in headers), b"", b""])
