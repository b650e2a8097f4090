"""The pages on a port, and a real browser."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from aibridge.audit import Sources, open_audit
from aibridge.gateway.listening import listen
from tests.audit.asking import mounted
from tests.audit.parts import NOW, KnownKeys

CHROMIUM = Path("/usr/bin/chromium")
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
          "--disable-component-update", "--disable-sync"]  # fmt: skip


@contextmanager
def served(url: str, sources: Sources | None = None, now: Callable[[], datetime] = lambda: NOW) -> Generator[str]:
    """The pages of a database, in a thread; their address."""
    listener = listen("127.0.0.1", 0)
    servers: list[uvicorn.Server] = []
    ready = threading.Event()

    async def serve() -> None:
        async with open_audit(url, KnownKeys(), sources, now=now) as pages:
            config = uvicorn.Config(mounted(pages), lifespan="off", log_config=None, ws="none")
            servers.append(uvicorn.Server(config))
            ready.set()
            await servers[0].serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(10)
    assert servers, "the thread's own traceback says why"
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        servers[0].should_exit = True
        thread.join(10)
        listener.close()


@contextmanager
def chromium() -> Generator[Browser]:
    """Headless."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()
