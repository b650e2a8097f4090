"""How long to wait before a request is tried again."""

from __future__ import annotations

from typing import Final

from aibridge.upstream.failure import Failure

LONGEST_WAIT: Final = 60.0
"""Seconds: a provider that asks for more patience is not waited for, and its answer goes to the caller."""

_FIRST_WAIT: Final = 0.5
_LONGEST_BACKOFF: Final = 8.0


def wait_before(retry: int, failure: Failure, chance: float) -> float | None:
    """Seconds before a retry, the first being 0; None: it is not worth the wait.

    As long as the provider asks for, else twice as long each time. `chance` (0 to 1) takes up to half of that off, so
    that those who failed together don't return together.
    """
    if failure.retry_after:
        return failure.retry_after if failure.retry_after <= LONGEST_WAIT else None
    return min(_FIRST_WAIT * 2.0 ** min(retry, 10), _LONGEST_BACKOFF) * (1 - chance / 2)
