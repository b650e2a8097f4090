"""What the process does about its memory, which Python and the C library by themselves do too often or not at all."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

GIVE_BACK_SECONDS = 30.0
"""How often free memory goes back to the system."""


def spare_the_collector() -> None:
    """Keeps the garbage collector from what stays for good, and from looking too often at what is young.

    A full pass over all modules would hold up every stream for 0.2 s now and then. And Python's threshold, 700 new
    objects, is passed at nearly every request, for 4 % of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)


def give_back() -> None:
    """Gives the system each free page that the C library keeps.

    By itself it gives back only what lies at the end. Bodies and hidden turns of all sizes come and go, so free pages
    gather between those in use, and a process would grow with each tide that is the highest so far: after 40,000
    streams, 17 MiB of 130 were free. A look takes 1 ms, and as much again for each 7 MB that it gives back.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """GNU's `malloc_trim`; None where the C library is another."""
    # PyDLL keeps Python's lock: to wait for it to come back would hold up the loop for longer than the call.
    trim = getattr(ctypes.PyDLL(None), "malloc_trim", None)
    if trim is not None:
        trim.argtypes = [ctypes.c_size_t]
    return trim


@asynccontextmanager
async def spared(every: float = GIVE_BACK_SECONDS, work: Callable[[], None] = give_back) -> AsyncIterator[None]:
    """While the block runs, the collector lets be what is open by now, and `work` gives back what is freed."""
    spare_the_collector()
    giving = asyncio.create_task(_every(every, work), name="aibridge-memory")
    try:
        yield
    finally:
        giving.cancel()
        await asyncio.wait([giving])


async def _every(seconds: float, work: Callable[[], None]) -> None:
    while True:
        work()
        await asyncio.sleep(seconds)
