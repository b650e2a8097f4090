"""What serves can be replaced while it serves: each request ends where it began."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from starlette.types import Receive, Scope, Send

from aibridge.gateway.routes import Gateway

logger = logging.getLogger(__name__)


class Part(Protocol):
    """Something that a generation needs, and may share with others."""

    async def aclose(self) -> None:
        """Ends it."""
        ...


class Generation:
    """A gateway and what it needs, as one reading of the settings has it."""

    def __init__(self, gateway: Gateway, parts: Iterable[Part]) -> None:
        self.gateway = gateway
        self.parts = frozenset(parts)
        self.open = 0  # requests


class Generations:
    """The ASGI application that is served: new requests go to the newest generation.

    An old one lives until its last request has ended; then those of its parts are closed that no other one shares.
    """

    def __init__(self, first: Generation) -> None:
        self._newest = first
        self._stopping = False
        self._old: set[Generation] = set()
        self._closing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        generation = self._newest
        generation.open += 1
        try:
            await generation.gateway(scope, receive, send)
        finally:
            generation.open -= 1
            if generation is not self._newest:
                self._let_go(generation)

    def replace(self, newest: Generation) -> None:
        """From now on requests begin with this one."""
        if self._stopping:
            newest.gateway.stop()
        old, self._newest = self._newest, newest
        self._old.add(old)
        self._let_go(old)

    def stop(self) -> None:
        """From now on nothing is begun."""
        self._stopping = True
        self._newest.gateway.stop()

    async def aclose(self) -> None:
        """Closes all parts of all generations."""
        await self._close(self._parts())
        if self._closing:
            await asyncio.wait(self._closing)

    def _let_go(self, generation: Generation) -> None:
        if generation.open or generation not in self._old:
            return
        self._old.discard(generation)
        closing = asyncio.create_task(self._close(generation.parts - self._parts()), name="aibridge-old-rooms")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _parts(self) -> frozenset[Part]:
        """What is in use."""
        return self._newest.parts.union(*(generation.parts for generation in self._old))

    async def _close(self, parts: Iterable[Part]) -> None:
        for outcome in await asyncio.gather(*(part.aclose() for part in parts), return_exceptions=True):
            if isinstance(outcome, Exception):
                logger.error("a room could not be closed", exc_info=outcome)
