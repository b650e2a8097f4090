"""A provider's answer as it comes from the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import httpx2

from aibridge.upstream.exceptions import FOREIGN, Told
from aibridge.upstream.redaction import Cleaner
from aibridge.upstream.silence import Silence

_NO_LIMIT: Final = 86_400.0  # seconds; stands for a request that may wait for ever


class Answer(httpx2.AsyncByteStream):
    """A status, headers as they came, and the body as it arrives: what came together comes in one piece.

    A peer that is silent for `silence` seconds between two pieces is given up. Trouble is raised as `told` tells it.
    A piece of a stream costs one turn in here, so what is done to each is done here and not around it.
    """

    def __init__(self, response: aiohttp.ClientResponse, silence: float | None, told: Told) -> None:
        self.status = response.status
        self.headers = response.raw_headers
        self._response = response
        self._content = response.content
        self._told = told
        self._silence = Silence(silence or _NO_LIMIT, self._interrupt)
        self._begun = False
        self._cleaner: Cleaner | None = None
        self._ahead = b""  # what comes before all that is still to be read
        self._error: Exception | None = None
        self._closed = self._watch()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._ahead:
            piece, self._ahead = self._ahead, b""
            return piece
        while True:
            if self._begun and not self._content.is_eof():
                self._silence.begin()
            try:
                piece = await self._content.readany()
            except FOREIGN as error:
                piece = self._rescue(error)
            finally:
                self._silence.end()
            if not piece:
                return self._last_piece()
            self._begun = True
            if self._cleaner is not None:
                piece = self._cleaner.clean(piece)
            if piece:
                return piece

    def resume(self, first: bytes, cleaner: Cleaner) -> None:
        """Begins again with the first piece, and takes secrets out of all of them."""
        self._cleaner = cleaner
        self._ahead = cleaner.clean(first)

    def close(self) -> None:
        """Closes the connection, unless the whole body came and it is back in the pool."""
        self._silence.stop()
        if self._closed is not None:
            self._closed.remove_done_callback(self._lost)
        if not self._response.closed:
            self._response.close()

    async def aclose(self) -> None:
        self.close()

    def _last_piece(self) -> bytes:
        """What was held back of the body. Raises StopAsyncIteration, or the body's trouble, where nothing was."""
        if self._cleaner is not None and (rest := self._cleaner.rest()):
            return rest
        raise self._error or StopAsyncIteration

    def _rescue(self, error: Exception) -> bytes:
        """What came before the error, which is raised when next asked: aiohttp would have the error overtake it."""
        self._error = self._told(error)
        left = b"".join(self._content._buffer)
        self._content._buffer.clear()
        return left

    def _interrupt(self) -> None:
        self._content.set_exception(aiohttp.SocketTimeoutError())

    def _watch(self) -> asyncio.Future[None] | None:
        """Looks out for the connection's end: of a body that breaks HTTP's rules, aiohttp tells the reader nothing."""
        connection = self._response.connection
        if connection is None or connection.protocol is None:
            return None  # the whole body is here
        closed = connection.protocol.closed
        if closed is None:
            self._lost()
            return None
        closed.remove_done_callback(_seen)
        closed.add_done_callback(_seen)
        closed.add_done_callback(self._lost)
        return closed

    def _lost(self, _: object = None) -> None:
        if not self._content.is_eof() and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientPayloadError())


def _seen(closed: asyncio.Future[None]) -> None:
    closed.exception()  # or asyncio would complain that nobody looked
