"""A recorder that somebody listens to."""

from __future__ import annotations

import logging
from typing import Protocol, final

from aibridge.model import Interception, Outcome, Record
from aibridge.ports import Recorder

logger = logging.getLogger(__name__)


class Listener(Protocol):
    """Hears of everything that is recorded, and keeps nobody waiting."""

    def start(self, interception: Interception) -> None: ...

    def record(self, interception: Interception, record: Record) -> None: ...

    def finish(self, interception: Interception, outcome: Outcome) -> None: ...


@final
class Overheard:
    """A recorder whose errors are the caller's, and a listener whose own are logged and harm nobody.

    The recorder is first. Where it cannot start, the listener hears nothing; where it fails later, it still does.
    """

    def __init__(self, recorder: Recorder, listener: Listener) -> None:
        self._recorder = recorder
        self._listener = listener

    async def start(self, interception: Interception) -> None:
        await self._recorder.start(interception)
        try:
            self._listener.start(interception)
        except Exception:
            logger.exception(_FAILED)

    async def record(self, interception: Interception, record: Record) -> None:
        try:
            await self._recorder.record(interception, record)
        finally:
            try:
                self._listener.record(interception, record)
            except Exception:
                logger.exception(_FAILED)

    async def finish(self, interception: Interception, outcome: Outcome) -> None:
        try:
            await self._recorder.finish(interception, outcome)
        finally:
            try:
                self._listener.finish(interception, outcome)
            except Exception:
                logger.exception(_FAILED)


_FAILED = "something that is recorded could not be counted"
