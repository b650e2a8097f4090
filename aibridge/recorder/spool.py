"""The spool: files that are only ever appended to. What is in one of them is durable, whatever the database does.

`<instance>.<number>.spool`, and beside them `<instance>.lock`, which the living process holds. The database takes what
is new part by part; a file is sealed once it is full or has served for a while, and deleted when the database has all
of it. Lives on the writer's thread.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from aibridge.recorder.frames import encode
from aibridge.recorder.locks import make_private
from aibridge.recorder.rows import Entry, Row, clean, described

logger = logging.getLogger(__name__)

SUFFIX = ".spool"

SEGMENT_BYTES = 512 * 1024
"""What a file is made for: it is filled with zeros first.

Overwriting is durable for half the price of appending, for which the file system has to note that the file has grown.
"""

_AGE_SECONDS = 60.0
"""How long a file may serve: for so long the words of people may stay in it that the database has already."""


@dataclass(slots=True)
class Segment:
    """A part of a file, up to `size`: what stands behind it was never acknowledged, or comes with another part."""

    path: Path
    size: int
    rows: int = 0
    position: int = 0
    """Up to where the database has it."""

    start: int = 0
    whole: bool = True
    """Whether nothing follows: the file may go when the database has this."""


class Spool:
    """What one process appends to. Raises StoreError where the directory cannot be made."""

    def __init__(self, directory: Path, instance_id: str, clock: Callable[[], float] = monotonic) -> None:
        make_private(directory)
        self.directory = directory
        self.instance_id = instance_id
        self.others = 0
        """Bytes that dead processes left in the same directory."""
        self._number = 0
        self._handle: int | None = None
        self._clock = clock
        self._opened_at = 0.0
        self._size = self._rows = 0
        self._given = self._given_rows = 0  # to the database, of the open file
        self._bytes_in = self._rows_in = 0
        self._bytes_out = self._rows_out = 0
        self._sealed: list[Segment] = []

    @property
    def lock(self) -> Path:
        """Held while this process lives."""
        return self.directory / f"{self.instance_id}.lock"

    @property
    def bytes(self) -> int:
        """How much there is on the disk."""
        return self._bytes_in - self._bytes_out + self.others

    @property
    def rows(self) -> int:
        """How many rows are not yet known to be in the database."""
        return self._rows_in - self._rows_out

    def append(self, entries: Sequence[Entry]) -> list[Row]:
        """Makes the entries durable and returns the rows that cannot be written in any way. Raises OSError.

        After an error none of them counts as written. A file whose sync has failed is never trusted again: the next
        entries go to another.
        """
        data, dropped = _encoded(entries)
        handle = self._open() if self._handle is None else self._handle
        try:
            _write_all(handle, data)
            os.fdatasync(handle)
        except OSError:
            self._cut()
            raise
        rows = len(entries) - len(dropped)
        self._size += len(data)
        self._rows += rows
        self._bytes_in += len(data)
        self._rows_in += rows
        if self._size >= SEGMENT_BYTES:
            self._seal()
        return dropped

    def fresh(self) -> list[Segment]:
        """What the database shall take in, each byte given out once; the open file stays open for more."""
        if self._size and self._clock() - self._opened_at > _AGE_SECONDS:
            return self.seal()
        parts, self._sealed = self._sealed, []
        if self._size > self._given:
            parts.append(self._part(whole=False))
        return parts

    def seal(self) -> list[Segment]:
        """The same, and what comes goes to a new file, made ready here."""
        if self._size:
            self._seal()
            with suppress(OSError):  # or the next entry tells
                self._open()
        sealed, self._sealed = self._sealed, []
        return sealed

    def free(self, segment: Segment) -> None:
        """A part is in the database. Called on the event loop."""
        self._bytes_out += segment.size - segment.start
        self._rows_out += segment.rows

    def close(self) -> None:
        """Leaves no empty file behind."""
        if self._handle is not None:
            self._cut()

    def _open(self) -> int:
        path = self._path()
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._opened_at = self._clock()
        _reserve(self._handle)
        try:
            _sync_directory(self.directory)  # or the name may be lost with the power
        except OSError:
            self._cut()
            raise
        return self._handle

    def _path(self) -> Path:
        return self.directory / f"{self.instance_id}.{self._number:06d}{SUFFIX}"

    def _seal(self) -> None:
        assert self._handle is not None  # noqa: S101  something was written
        with suppress(OSError):
            os.close(self._handle)
        self._handle = None
        self._sealed.append(self._part(whole=True))
        self._number += 1
        self._size = self._rows = self._given = self._given_rows = 0

    def _part(self, *, whole: bool) -> Segment:
        rows, start = self._rows - self._given_rows, self._given
        self._given, self._given_rows = self._size, self._rows
        return Segment(self._path(), self._size, rows, start, start, whole)

    def _cut(self) -> None:
        """Ends the file where it is known to be good."""
        if self._size:
            with suppress(OSError):
                os.truncate(self._path(), self._size)
            self._seal()
            return
        if self._handle is not None:
            with suppress(OSError):
                os.close(self._handle)
        self._path().unlink(missing_ok=True)
        self._handle, self._number = None, self._number + 1


def _encoded(entries: Sequence[Entry]) -> tuple[bytes, list[Row]]:
    try:
        return encode(entries), []
    except Exception:  # noqa: BLE001  whatever a value does to its codec, it costs no other row
        return _encoded_one_by_one(entries)


def _encoded_one_by_one(entries: Sequence[Entry]) -> tuple[bytes, list[Row]]:
    frames, dropped = [], []
    for entry in entries:
        frame = _tried(*entry)
        if frame is None:
            dropped.append(entry[1])
        else:
            frames.append(frame)
    return b"".join(frames), dropped


def _tried(kind: int, row: Row) -> bytes | None:
    fault = ""
    for attempt in (row, tuple(clean(value) for value in row)):
        try:
            return encode([(kind, attempt)])
        except Exception as error:  # noqa: BLE001
            fault = type(error).__name__  # its text might quote what a person wrote
    logger.error("dropped a record that cannot be stored: %s (%s)", described(kind, row), fault)
    return None


def _reserve(handle: int) -> None:
    """Fills a new file with zeros; on a disk that has no room for them it is left empty, and used all the same."""
    try:
        _write_all(handle, bytes(SEGMENT_BYTES))
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
