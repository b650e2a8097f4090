"""Trouble that lasts is told once, and once more when it is over."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import final

from sqlalchemy.exc import DBAPIError

from aibridge.store.engine import reason_of

logger = logging.getLogger(__name__)


@final
class Outage:
    """Surrounds each attempt, and swallows its errors: the first one of an outage is logged, the others are not."""

    def __init__(self, trouble: str, relief: str) -> None:
        self._trouble = trouble
        self._relief = relief
        self._lasts = False

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            self._over()
        elif isinstance(error, Exception):
            self._failed(error)
        return isinstance(error, Exception)

    def _over(self) -> None:
        if self._lasts:
            logger.warning("%s", self._relief)
        self._lasts = False

    def _failed(self, error: Exception) -> None:
        if not self._lasts:
            logger.error("%s (%s)", self._trouble, _reason(error))
        self._lasts = True


def _reason(error: Exception) -> str:
    match error:
        case DBAPIError():
            return reason_of(error)
        case TimeoutError():
            return "the database is too slow"
        case _:
            return type(error).__name__
