"""The HTTP server: uvicorn, with the signals in our own hands."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """Serves one application until it is told to stop; then the open requests finish within the grace."""

    def __init__(self, app: ASGIApp, *, grace_seconds: float, on_stop: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",  # an upgrade reaches the routes as plain HTTP
                lifespan="off",  # the rooms are opened before this server and closed after it
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=max(1, round(grace_seconds)),
            )
        )
        self._on_stop = on_stop

    async def run_on(self, listener: socket.socket) -> None:
        """Serves until a signal, or stop(); the first is polite, the second impatient."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            await self.serve(sockets=[listener])
            if self.server_state.tasks:  # those that the grace cut short: their ends are still to be recorded
                await asyncio.wait(self.server_state.tasks, timeout=5)
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Takes no more requests and lets the open ones finish; called again, it does not wait for them."""
        self._on_stop()
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves the signals alone: uvicorn would raise them again after its end, and the exit code would be theirs."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError, such as for a port that is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(2048)
    return listener
