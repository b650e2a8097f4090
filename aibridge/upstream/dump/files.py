"""Files written by a thread of their own, so that a slow disk or a full one holds up no request."""

from __future__ import annotations

import asyncio
import logging
import os
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 64 * 1024 * 1024
"""Bytes of all files together that may wait for the disk."""

_LAST_SECONDS: Final = 5.0  # what the disk is given when the gateway stops


class Files:
    """Takes pieces of files and writes them in their order. Trouble is logged once, until a file is whole again."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._queue: SimpleQueue[tuple[File, bytes | None] | None] = SimpleQueue()
        # Each has one writer, so neither needs a lock: the event loop has the first, the thread the second.
        self._given = 0
        self._written = 0
        self._in_trouble = False
        self._thread = Thread(target=self._run, name="dumps", daemon=True)
        self._thread.start()

    def put(self, file: File, piece: bytes) -> bool:
        """Hands over a piece; False where so much waits already that it is left out."""
        if self._given - self._written > self._max_waiting:
            return False
        self._queue_up(file, piece)
        return True

    def close(self, file: File, last: bytes) -> None:
        """Hands over the last piece, which is never left out."""
        self._queue_up(file, last)
        self._queue.put((file, None))

    async def aclose(self) -> None:
        """Writes what waits. A disk that does not answer is given up after five seconds."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, _LAST_SECONDS)

    def _queue_up(self, file: File, piece: bytes) -> None:
        self._given += len(piece)
        self._queue.put((file, piece))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            file, piece = item
            try:
                self._write(file, piece)
            except OSError as error:
                file.abandon()
                self._complain(error)
            if piece is not None:
                self._written += len(piece)

    def _write(self, file: File, piece: bytes | None) -> None:
        if piece is not None:
            file.write(piece)
        elif file.close():
            self._in_trouble = False

    def _complain(self, error: OSError) -> None:
        if not self._in_trouble:
            logger.warning("a dump cannot be written (%s); requests go on without", error.strerror or error)
        self._in_trouble = True


class File:
    """One file, made when something is written to it: `<directory>/<stem>-<n>.http`, n being the first that is free.

    Used by the thread alone. Nobody but this user may read it, nor the directories made for it.
    """

    def __init__(self, root: Path, folders: tuple[str, ...], stem: str) -> None:
        self._root = root
        self._folders = folders
        self._stem = stem
        self._descriptor: int | None = None
        self._abandoned = False

    def write(self, piece: bytes) -> None:
        """Appends; nothing happens once the file is abandoned. Raises OSError."""
        if self._abandoned:
            return
        if self._descriptor is None:
            self._descriptor = self._open()
        view = memoryview(piece)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def close(self) -> bool:
        """Whether the file is whole. Raises OSError."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        return not self._abandoned

    def abandon(self) -> None:
        """Leaves the file as it is: a part of it could not be written."""
        self._abandoned = True
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> int:
        directory = self._root
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in self._folders:
            directory /= folder
            directory.mkdir(mode=0o700, exist_ok=True)
        for number in count(1):
            try:
                path = directory / f"{self._stem}-{number}.http"
                # O_EXCL: nothing that is there is written to, and no link followed.
                return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
        raise AssertionError("numbers do not end")
