"""What the processes beside the gateway have in common: they say where they listen, and do not outlive their parent."""

from __future__ import annotations

import asyncio
import sys

from starlette.types import ASGIApp

from aibridge.gateway.listening import listen
from aibridge.gateway.server import Server


async def announce(port: int) -> None:
    """Tells the parent where this process listens, then waits until the parent lets go of its standard input."""
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)


async def serve(app: ASGIApp) -> None:
    """Serves an application exactly as the gateway serves its own."""
    server = Server(app, grace_seconds=1, on_stop=lambda: None)
    listener = listen("127.0.0.1", 0)
    serving = asyncio.create_task(server.run_on(listener))
    await announce(listener.getsockname()[1])
    server.stop()
    await serving
