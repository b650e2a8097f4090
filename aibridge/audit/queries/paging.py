"""Pages by key: the next one begins where the last row ended, however many rows there are."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, literal, tuple_

from aibridge.errors import ClientError
from aibridge.store.tables import UTCDateTime

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page: its time, and what tells it from others of the same time."""

    at: datetime
    key: str

    def __str__(self) -> str:
        return urlsafe_b64encode(f"{self.at.isoformat()} {self.key}".encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor that `str` made. Raises ClientError for any other text."""
        try:
            at, key = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split(" ", 1)
            moment = datetime.fromisoformat(at)
            if moment.tzinfo is None or "\0" in key:
                raise ValueError(text)
        except (Error, ValueError):
            raise ClientError(
                "cursor is none that this API gave: leave it out to begin anew.", param="cursor"
            ) from None
        return cls(moment, key)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and where the next ones begin; None at the end."""

    rows: Sequence[Row]
    next: Cursor | None


def beyond(at: ColumnElement[Any], key: ColumnElement[Any], cursor: Cursor, *, ascending: bool = False) -> Any:
    """What rows after the cursor fulfil."""
    mine, its = tuple_(at, key), tuple_(literal(cursor.at, UTCDateTime), literal(cursor.key))
    return mine > its if ascending else mine < its


def paged(rows: Sequence[Row], limit: int, at: str, key: str) -> Page:
    """The page in rows of which one more than `limit` was asked for."""
    if len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]
    return Page(rows[:limit], Cursor(last[at], last[key]))
