"""A provider's answer as it comes from the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import httpx2

from aibridge.upstream.exceptions import FOREIGN, Told
from aibridge.upstream.silence import Silence

_NO_LIMIT: Final = 86_400.0  # seconds; stands for a request that may wait for ever


class Answer(httpx2.AsyncByteStream):
    """A status, headers as they came, and the body as it arrives: what came together comes in one piece.

    A peer that is silent for `silence` seconds between two pieces is given up. Trouble is raised as `told` tells it.
    """

    def __init__(self, response: aiohttp.ClientResponse, silence: float | None, told: Told) -> None:
        self.status = response.status
        self.headers = response.raw_headers
        self._response = response
        self._content = response.content
        self._told = told
        self._silence = Silence(silence or _NO_LIMIT, self._interrupt)
        self._begun = False
        self._error: Exception | None = None
        self._closed = self._watch()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._begun and not self._content.is_eof():
            self._silence.begin()
        try:
            piece = await self._content.readany()
        except FOREIGN as error:
            piece = self._rescue(error)
        finally:
            self._silence.end()
        if not piece:
            raise self._error or StopAsyncIteration
        self._begun = True
        return piece

    def close(self) -> None:
        """Closes the connection, unless the whole body came and it is back in the pool."""
        self._silence.stop()
        if self._closed is not None:
            self._closed.remove_done_callback(self._lost)
        if not self._response.closed:
            self._response.close()

    async def aclose(self) -> None:
        self.close()

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
