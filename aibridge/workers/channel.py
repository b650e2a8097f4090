"""What a parent and its worker say to one another: lines over a socket pair, each a word and what belongs to it.

A worker says `up` once it serves, and `scrape` when somebody asks it for `/metrics`; the parent asks all workers for
their `figures`, and answers with the page of their `total`. It also says `stop`, `hurry` and `reload`. Its end of
the socket closes with its process, whatever kills it, so a worker is never left alone.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final, Self

_LONGEST_LINE: Final = 64 * 1024 * 1024


class Channel:
    """One end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Self:
        """Takes the socket over."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_LONGEST_LINE))

    def say(self, word: str, data: bytes = b"") -> None:
        """Says something, without waiting. `data` holds no line break. Nobody there is no error."""
        if not self._writer.is_closing():
            self._writer.write(word.encode() + b" " + data + b"\n")

    async def hear(self) -> tuple[str, bytes] | None:
        """The next that is said; None: nobody is there any more."""
        with suppress(ConnectionError):
            line = await self._reader.readline()
            if line.endswith(b"\n"):
                word, _, data = line[:-1].partition(b" ")
                return word.decode(), data
        return None

    def close(self) -> None:
        """Says no more."""
        self._writer.close()
