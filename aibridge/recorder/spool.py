"""The spool: files that are only ever appended to. What is in one of them is durable, whatever the database does.

`<instance>.<number>.spool`, and beside them `<instance>.lock`, which the living process holds. A file is sealed when
it is the database's turn to take it, and deleted when it has. Lives on the writer's thread.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aibridge.recorder.frames import encode
from aibridge.recorder.locks import make_private
from aibridge.recorder.rows import Entry, Row, clean, described

logger = logging.getLogger(__name__)

SUFFIX = ".spool"

SEGMENT_BYTES = 16 * 1024 * 1024
"""A file of this size is followed by another, so that a long outage's records leave the disk bit by bit."""


_ROOM_BYTES = 256 * 1024
"""Reserved in each file: a quarter of a write's price is telling the file system that the file has grown."""


@dataclass(slots=True)
class Segment:
    """A file that nobody appends to any more. What stands behind `size` bytes was never acknowledged."""

    path: Path
    size: int
    rows: int = 0
    position: int = 0
    """Up to where the database has it."""


class Spool:
    """What one process appends to. Raises StoreError where the directory cannot be made."""

    def __init__(self, directory: Path, instance_id: str) -> None:
        make_private(directory)
        self.directory = directory
        self.instance_id = instance_id
        self.others = 0
        """Bytes that dead processes left in the same directory."""
        self._number = 0
        self._handle: int | None = None
        self._size = self._rows = 0
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

    def seal(self) -> list[Segment]:
        """The files that are complete, each given out once; what comes goes to a new one, made ready here."""
        if self._size:
            self._seal()
            with suppress(OSError):  # or the next entry tells
                self._open()
        sealed, self._sealed = self._sealed, []
        return sealed

    def free(self, segment: Segment) -> None:
        """A file is in the database, and gone. Called on the event loop."""
        self._bytes_out += segment.size
        self._rows_out += segment.rows

    def close(self) -> None:
        """Leaves no empty file behind."""
        if self._handle is not None:
            self._cut()

    def _open(self) -> int:
        path = self._path()
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with suppress(OSError):  # not every file system can; those that can sync faster where there is room already
            os.posix_fallocate(self._handle, 0, _ROOM_BYTES)
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
        self._sealed.append(Segment(self._path(), self._size, self._rows))
        self._number += 1
        self._size = self._rows = 0

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
