"""An ASGI app on a free loopback port, up and down within milliseconds: what every fake server stands on."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import uvicorn
from anyio.from_thread import start_blocking_portal
from starlette.types import ASGIApp, Receive, Scope, Send

GRACE = 1.0
"""Seconds that requests get to end by themselves, once their connections are gone."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time at all


@asynccontextmanager
async def serving(app: ASGIApp, *, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serves the app in this event loop and yields its base URL, `http://127.0.0.1:PORT`.

    The app's lifespan runs. An HTTP scope has one key more, `abort`: called, it resets the connection. On leaving,
    connections that are still open are cut and their requests are ended. Raises RuntimeError if the lifespan fails.
    """
    with _listening(host) as listener:
        server = await _start(app, listener)
        try:
            yield f"http://{host}:{listener.getsockname()[1]}"
        finally:
            await _stop(server)


@contextmanager
def serving_in_thread(app: ASGIApp) -> Iterator[str]:
    """The same for synchronous code: the app gets a thread with an event loop of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(app)) as url:
        yield url


@contextmanager
def _listening(host: str) -> Iterator[socket.socket]:
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind((host, 0))
        yield listener


async def _start(app: ASGIApp, listener: socket.socket) -> uvicorn.Server:
    # uvicorn's own serve() takes over the process's signals and looks only ten times a second whether to end.
    config = uvicorn.Config(
        app, interface="asgi3", http="httptools", ws="none", log_config=None, proxy_headers=False, server_header=False,
        timeout_keep_alive=600,  # longer than any test, so that no idle connection ends by surprise
    )  # fmt: skip
    config.load()
    server = uvicorn.Server(config)
    config.loaded_app = _with_abort(config.loaded_app, server)
    server.lifespan = config.lifespan_class(config)
    await _startup(server, listener)
    await server.on_tick(0)  # makes the default headers
    return server


async def _startup(server: uvicorn.Server, listener: socket.socket) -> None:
    try:
        await server.startup(sockets=[listener])
    except SystemExit as error:  # uvicorn's way; a fake must not end the test run
        raise RuntimeError("the app's lifespan failed at its startup: see the log of uvicorn.error") from error


def _with_abort(app: ASGIApp, server: uvicorn.Server) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["abort"] = partial(_abort, server, scope["client"])
        await app(scope, receive, send)

    return wrapped


def _abort(server: uvicorn.Server, client: tuple[str, int]) -> None:
    for connection in server.server_state.connections:
        if getattr(connection, "client", None) == client:
            plug: socket.socket = connection.transport.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            connection.transport.abort()


async def _stop(server: uvicorn.Server) -> None:
    state = server.server_state
    for listener in server.servers:
        listener.close()
    for connection in list(state.connections):
        connection.shutdown()  # ends what is idle and fully sent in peace …
        connection.transport.abort()  # … and cuts the rest
    await _end(set(state.tasks))
    while state.connections:  # noqa: ASYNC110  a turn of the loop or two, and no event tells of it
        await asyncio.sleep(0)
    await server.lifespan.shutdown()


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    if not tasks:
        return
    _, stuck = await asyncio.wait(tasks, timeout=GRACE)
    for task in stuck:
        task.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)
