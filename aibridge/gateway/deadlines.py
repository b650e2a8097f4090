"""How long a client may take: to send its request, to read its response, to go.

One look a second at every connection, instead of a timer for each: ten thousand silent ones then cost next to nothing,
and a request that goes well costs nothing at all. So a deadline may be late by a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aibridge.errors import ClientError
from aibridge.gateway.connection import Connection, ConnectionLimits, Wait

LEAST_BYTES_PER_SECOND = 240
"""Slower is as good as nothing, for bodies and for responses. Kestrel's rate."""

FAREWELL_SECONDS = 5
"""How long a client that was refused may take to read why."""

_AT_ONCE = 500
"""So many connections are looked at before others have their turn: half a millisecond."""


class Deadlines:
    """Looks at connections, and ends those that are overdue."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._seconds = {
            Wait.FIRST_BYTE: limits.idle_seconds,
            Wait.HEAD: limits.header_seconds,
            Wait.BODY: limits.body_seconds,
            Wait.UNWANTED: limits.body_seconds,
            Wait.READ: limits.slow_reader_seconds,
            Wait.LEAVE: FAREWELL_SECONDS,
        }

    async def look(self, connections: Iterable[object], now: float) -> None:
        """Looks at each once; `now`: seconds of a clock that never goes back."""
        for count, connection in enumerate(tuple(connections), 1):
            if isinstance(connection, Connection):
                self._look_at(connection, now)
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)

    def _look_at(self, connection: Connection, now: float) -> None:
        wait, watch = connection.waits_for(), connection.watch
        if wait is not watch.wait or connection.scope is not watch.request:
            _begin(connection, wait, now)
        elif wait is not None and now - watch.since >= self._seconds[wait]:
            if _moved(connection, wait) - watch.moved >= LEAST_BYTES_PER_SECOND * (now - watch.since):
                _begin(connection, wait, now)
            else:
                self._end(connection, wait)

    def _end(self, connection: Connection, wait: Wait) -> None:
        seconds = self._seconds[wait]
        match wait:
            case Wait.HEAD:
                connection.refuse(_too_slow(f"The headers did not come within {seconds:g} s (server.header_seconds)."))
            case Wait.BODY:
                connection.refuse(_too_slow(f"The body did not come on for {seconds:g} s (server.body_seconds)."))
            case Wait.READ:
                connection.cut(f"the client did not read on for {seconds:g} s (server.slow_reader_seconds)")
            case Wait.FIRST_BYTE | Wait.UNWANTED | Wait.LEAVE:
                connection.transport.abort()


def _begin(connection: Connection, wait: Wait | None, now: float) -> None:
    watch = connection.watch
    watch.wait, watch.request, watch.since = wait, connection.scope, now
    watch.moved = 0 if wait is None else _moved(connection, wait)


def _moved(connection: Connection, wait: Wait) -> int:
    """Bytes that show progress, counted from anywhere. A head and a farewell have their time, and no more."""
    match wait:
        case Wait.BODY:
            return connection.received
        case Wait.READ:
            return -connection.transport.get_write_buffer_size()
        case _:
            return 0


def _too_slow(message: str) -> ClientError:
    return ClientError(message, status=408, type="timeout")
