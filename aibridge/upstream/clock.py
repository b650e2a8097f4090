"""What the policies know of time and chance: injected, so that tests advance it and never sleep."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Times are in seconds."""

    now: Callable[[], float] = time.monotonic
    today: Callable[[], float] = time.time  # since 1970: dates in headers are read against it
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random  # from 0 to 1


REAL = Clock()
"""The one of this machine."""
