"""One recorder made of several: the first is the one that counts."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import final

from aibridge.model import Interception, Outcome, Record
from aibridge.ports import Recorder

logger = logging.getLogger(__name__)


def fan_out(first: Recorder, *others: Recorder) -> Recorder:
    """A recorder that hands everything to all of these.

    The first one is awaited first, and its errors are the caller's: where it cannot start, the others are not asked.
    The failure of another is logged and harms nobody.
    """
    return _Fan(first, others) if others else first


@final
class _Fan:
    def __init__(self, first: Recorder, others: tuple[Recorder, ...]) -> None:
        self._first = first
        self._others = others

    async def start(self, interception: Interception) -> None:
        await self._first.start(interception)
        for other in self._others:
            await _harmless(other.start(interception))

    async def record(self, interception: Interception, record: Record) -> None:
        try:
            await self._first.record(interception, record)
        finally:
            for other in self._others:
                await _harmless(other.record(interception, record))

    async def finish(self, interception: Interception, outcome: Outcome) -> None:
        try:
            await self._first.finish(interception, outcome)
        finally:
            for other in self._others:
                await _harmless(other.finish(interception, outcome))


async def _harmless(recording: Awaitable[None]) -> None:
    try:
        await recording
    except Exception:
        logger.exception("a secondary recorder failed")
