"""What no input may do: take long, or become much more than it was."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count

SECONDS = 2.0
"""What one input, of some kilobytes, may take of a processor."""

TIMES = 100
"""How much larger than what came in anything may become …"""

ROOM = 256 * 1024
"""… beyond what an exchange has at its start, in bytes."""

_TRACED = 20
"""How many times longer an input may take whose memory is traced: tracing costs that much, with coverage on top."""

_EVERY = 512  # measuring memory takes much longer than not measuring it
_inputs = count()


def bounded(came: int, made: int) -> None:
    """Fails where the output is out of proportion to the input (bytes)."""
    assert made <= TIMES * came + ROOM, f"{came} bytes came in and {made} went out"


@contextmanager
def watched(came: int, *, memory: bool | None = None) -> Generator[None]:
    """Fails where the block takes too long or, on every 512th input, too much memory for an input of `came` bytes."""
    measured = next(_inputs) % _EVERY == 0 if memory is None else memory
    began = time.thread_time()
    if measured:
        tracemalloc.start()
    try:
        yield
    finally:
        peak = tracemalloc.get_traced_memory()[1] if measured else 0
        tracemalloc.stop()
    assert peak <= TIMES * came + ROOM, f"{came} bytes came in and took {peak}"
    limit = SECONDS * _TRACED if measured else SECONDS
    assert time.thread_time() - began < limit, f"{came} bytes took more than {limit:g} s"
