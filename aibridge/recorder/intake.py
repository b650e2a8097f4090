"""How a file of the spool gets into the database: frame by frame, in the order of writing, each row once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine

from aibridge.model import TokenUsage
from aibridge.pricing import Cost, Price, no_price
from aibridge.recorder.batch import Batch
from aibridge.recorder.frames import DamagedError, read
from aibridge.recorder.rows import COLUMNS, Entry, Kind, Row, priced_row
from aibridge.recorder.spool import Segment

logger = logging.getLogger(__name__)

Frame = tuple[list[Entry], int]

_CALL = len(COLUMNS[Kind.TOOL])
"""Columns of a call. A file that an older version left behind has fewer: the last ones were not known then."""

_ROWS = 2000
"""Rows of one transaction, about: other processes wait for it."""


class Intake:
    """Takes files in, on the database's thread, where prices are looked up too: nobody waits for it.

    `dropped`: is told how many rows the database takes in no way.
    """

    def __init__(self, engine: Engine, dropped: Callable[[int], object], price: Price = no_price) -> None:
        self._engine = engine
        self._batch = Batch(engine.dialect)
        self._dropped = dropped
        self._price = price
        self._damaged: set[Path] = set()

    def take_in(self, segment: Segment) -> None:
        """Writes a part of a file into the database. Raises DBAPIError: all may be tried again.

        A file goes with its last part; one that is damaged is put aside instead, for it holds records that were
        acknowledged.
        """
        try:
            for entries, end in _together(_frames(segment)):
                self._write(entries)
                segment.position = end
        except DamagedError as error:
            logger.error("records are missing: %s cannot be read on (%s)", segment.path, error)
            self._damaged.add(segment.path)
        if not segment.whole:
            return
        if segment.path in self._damaged:
            self._damaged.discard(segment.path)
            _put_aside(segment.path)
        else:
            _delete(segment)

    def _write(self, entries: list[Entry]) -> None:
        dropped = self._batch.write(self._engine, [self._completed(kind, row) for kind, row in entries])
        if dropped:
            self._dropped(len(dropped))

    def _completed(self, kind: int, row: Row) -> Entry:
        if kind == Kind.TOKENS:
            return kind, priced_row(row, self._known_price)
        if kind == Kind.TOOL and len(row) < _CALL:
            return kind, (*row, *(None,) * (_CALL - len(row)))
        return kind, row

    def _known_price(self, provider: str, model: str, usage: TokenUsage) -> Cost | None:
        try:
            return self._price(provider, model, usage)
        except Exception:  # a record without a price is better than none
            logger.exception("the price of %.100r could not be told", model)
            return None


def _frames(segment: Segment) -> Iterator[Frame]:
    try:
        with segment.path.open("rb") as file:
            file.seek(segment.position)
            yield from read(file, segment.size)
    except OSError as error:
        raise DamagedError(error.strerror) from error


def _together(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Small frames as larger ones; what was read before the damage comes first."""
    gathered: list[Entry] = []
    damage: DamagedError | None = None
    end = 0
    while True:
        try:
            entries, end = next(frames)
        except StopIteration:
            break
        except DamagedError as error:
            damage = error
            break
        gathered += entries
        if len(gathered) >= _ROWS:
            yield gathered, end
            gathered = []
    if gathered:
        yield gathered, end
    if damage:
        raise damage


def _put_aside(path: Path) -> None:
    aside = path.with_suffix(".damaged")
    logger.error("%s is kept as %s", path, aside)
    with suppress(OSError):
        path.rename(aside)


def _delete(segment: Segment) -> None:
    try:
        segment.path.unlink()
    except OSError as error:
        logger.error("%s is in the database and cannot be deleted (%s)", segment.path, error.strerror)
