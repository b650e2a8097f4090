"""The HTTP server: uvicorn, with the signals in our own hands."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from aibridge.gateway.connection import Connection, ConnectionLimits
from aibridge.gateway.deadlines import Deadlines

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

LAST_WORDS_SECONDS = 5.0
"""How long clients may take to read what they are told when their requests are ended."""


class Server(uvicorn.Server):
    """Serves one application until it is told to stop; then the open requests finish within the grace."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        grace_seconds: float,
        on_stop: Callable[[], None],
        limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008  it is frozen
    ) -> None:
        super().__init__(
            uvicorn.Config(
                self._request,
                interface="asgi3",
                http=cast(Any, partial(Connection, limits=limits)),  # what makes a connection need be no class
                timeout_keep_alive=cast(int, limits.idle_seconds),  # parts of a second are as good
                ws="none",  # an upgrade reaches the routes as plain HTTP
                lifespan="off",  # the rooms are opened before this server and closed after it
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
            )
        )
        self._app = app
        self._grace_seconds = grace_seconds
        self._on_stop = on_stop
        self._deadlines = Deadlines(limits)

    async def run_on(self, listener: socket.socket, *, heeds_signals: bool = True) -> None:
        """Serves until a signal, or stop(); the first is polite, the second impatient.

        `heeds_signals`: a worker does not, for it is told by its parent, who may get the same signal.
        """
        loop = asyncio.get_running_loop()
        stop = self.stop if heeds_signals else _heard
        for number in _SIGNALS:
            loop.add_signal_handler(number, stop)  # until the loop ends: the rooms have yet to close in peace
        await self.serve(sockets=[listener])

    def stop(self) -> None:
        """Takes no more requests and lets the open ones finish; called again, it ends them."""
        self._on_stop()
        if self.should_exit:
            self._end_requests()
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to end. Once a second: whose time is over."""
        if counter % 10 == 0:
            await self._deadlines.look(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens on while the open requests finish, so that `/readyz` can tell; then ends what is left of them."""
        await self._over(self._grace_seconds)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        self._end_requests()
        await self._over(LAST_WORDS_SECONDS, connections=True)
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # this client does not read, and its end is still to be recorded
        await self._over(LAST_WORDS_SECONDS)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves the signals alone: uvicorn would raise them again after its end, and the exit code would be theirs."""
        yield

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; that it is ended by us is no error of the application's."""
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self.should_exit:
                raise

    def _end_requests(self) -> None:
        """Cancels what is open, once: the application then tells its clients in their streams."""
        open_requests = [task for task in self.server_state.tasks if not task.cancelling()]
        if open_requests:
            logger.warning("requests that are still open are ended: %d", len(open_requests))
        for task in open_requests:
            task.cancel()

    async def _over(self, seconds: float, *, connections: bool = False) -> None:
        """Waits until the requests that are open now are over, and if asked until all is sent; at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self.server_state.tasks:
                    await asyncio.wait(self.server_state.tasks)
                while connections and self.server_state.connections:  # noqa: ASYNC110  nothing tells of their end
                    await asyncio.sleep(0.01)


def _heard() -> None:
    """Does nothing. To ignore a signal altogether would be handed down to the commands that we start."""
