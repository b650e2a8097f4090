"""An HTTP response as it comes in, sans-IO; only what our own servers send."""

from __future__ import annotations

import re

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_END = b"0\r\n\r\n"


class Response:
    """Feed it bytes until it is complete. Nothing is decoded before somebody asks, so that a load costs little."""

    def __init__(self) -> None:
        self.head = b""
        self._pieces: list[bytes] = []
        self._length: int | None = None  # of the body; None: it comes in chunks
        self._received = 0

    def feed(self, data: bytes) -> bool:
        """Takes what came; whether the response is complete now."""
        self._pieces.append(data)
        if not self.head:
            return self._find_head()
        self._received += len(data)
        return self._complete()

    @property
    def ok(self) -> bool:
        return self.head.startswith(b"HTTP/1.1 200 ")

    @property
    def has_body(self) -> bool:
        """Whether any of the body has come."""
        return self._received > 0

    @property
    def body(self) -> bytes:
        """What has come of the body, without the framing of its chunks."""
        raw = b"".join(self._pieces)
        return raw if self._length is not None else b"".join(_unframed(raw))

    def _find_head(self) -> bool:
        head, found, body = b"".join(self._pieces).partition(b"\r\n\r\n")
        if not found:
            return False
        length = _LENGTH.search(head)
        self.head, self._length = head, int(length[1]) if length else None
        self._pieces, self._received = [body], len(body)
        return self._complete()

    def _complete(self) -> bool:
        if self._length is not None:
            return self._received >= self._length
        # Each chunk of ours ends an event, so nothing but the last chunk looks like the end.
        last = self._pieces[-1]
        return (last if len(last) >= len(_END) else b"".join(self._pieces[-5:])).endswith(_END)


def _unframed(raw: bytes) -> list[bytes]:
    chunks: list[bytes] = []
    size, found, rest = raw.partition(b"\r\n")
    while found and (length := int(size, 16)):
        chunks.append(rest[:length])
        size, found, rest = rest[length + 2 :].partition(b"\r\n")
    return chunks
