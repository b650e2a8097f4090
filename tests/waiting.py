"""Waiting for what nobody tells of: what another process or thread does, or what gets into a database.

Where something does tell, a test waits for that. These two are the only places in the tests that look again and again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK_SECONDS = 0.005


def until(look: Callable[[], T | None], seconds: float = 10) -> T:
    """What is there as soon as there is something; fails where there is nothing within the time."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing came of {look} within {seconds:g} s"
        time.sleep(_LOOK_SECONDS)
    return found


async def eventually(look: Callable[[], T | None], seconds: float = 10) -> T:
    """The same, while the event loop goes on."""
    async with asyncio.timeout(seconds):
        while not (found := look()):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
    return found
