"""A gate: shut until a test opens it, for waiters in any event loop and any thread."""

from __future__ import annotations

import asyncio
import threading


class Gate:
    """Shut until opened, then open for ever.

    Like asyncio.Event, but a test may open it from another thread or event loop than the one that waits, as it does
    when the fake server runs in a thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened = threading.Event()
        self._waiters: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    def open(self) -> None:
        """Lets everyone through who waits, and who comes later. Harmless when repeated."""
        with self._lock:
            self._opened.set()
            for loop, event in self._waiters:
                loop.call_soon_threadsafe(event.set)

    async def wait(self) -> None:
        """Returns once the gate is open; `async with asyncio.timeout(1): await gate.wait()` bounds it."""
        waiter = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            if self._opened.is_set():
                return
            self._waiters.add(waiter)
        try:
            await waiter[1].wait()
        finally:
            with self._lock:
                self._waiters.discard(waiter)

    def wait_blocking(self, timeout: float = 5.0) -> None:
        """The same for synchronous code. Raises TimeoutError where the gate is still shut after `timeout` seconds."""
        if not self._opened.wait(timeout):
            raise TimeoutError(f"the gate was not opened within {timeout:g} s")

    def __repr__(self) -> str:
        return f"<Gate {'open' if self.is_open else 'shut'}>"
