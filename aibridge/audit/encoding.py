"""Rows as CSV and JSON lines, a few at a time: as much as there is, in as little memory."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from aibridge.audit.queries.paging import Row

Format = Literal["csv", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}

_AT_ONCE = 100  # rows in one piece
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

_json = msgspec.json.Encoder()


async def encoded(rows: AsyncIterator[Row], columns: Sequence[str], form: Format) -> AsyncIterator[bytes]:
    """The rows in pieces; CSV begins with the names of the columns."""
    write: Callable[[Iterable[Row], Sequence[str]], bytes] = _csv if form == "csv" else _jsonl
    if form == "csv":
        yield _lines([columns])
    waiting: list[Row] = []
    async for row in rows:
        waiting.append(row)
        if len(waiting) == _AT_ONCE:
            yield write(waiting, columns)
            waiting = []
    if waiting:
        yield write(waiting, columns)


def cell(value: Any) -> Any:
    """A value as a spreadsheet may have it: text that it would run as a formula begins with an apostrophe."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict | list):
        value = _json.encode(value).decode()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> bytes:
    return _lines([cell(row[name]) for name in columns] for row in rows)


def _lines(lines: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode(errors="replace")


def _jsonl(rows: Iterable[Row], columns: Sequence[str]) -> bytes:
    return b"".join(_json.encode({name: row[name] for name in columns}) + b"\n" for row in rows)
