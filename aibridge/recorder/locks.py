"""Files that say that a process lives: it holds their lock, and the system lets go of it whatever kills the process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aibridge.store.engine import StoreError


def make_private(directory: Path) -> None:
    """Makes a directory for its owner alone, unless it is there. Raises StoreError where that cannot be done."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _unwritable(directory, error) from None


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds a lock of our own, from before the file has its name until it is gone. Raises StoreError."""
    unnamed = path.with_suffix(".new")  # nobody can take a lock that they do not see
    try:
        handle = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path.parent, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        unnamed.rename(path)
        yield
    finally:
        os.close(handle)


@contextmanager
def taken_over(path: Path) -> Iterator[bool]:
    """Holds another process's lock, if that process is dead; tells whether it is."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def is_locked(path: Path) -> bool | None:
    """Whether a living process holds the file; None where there is none."""
    if not path.exists():
        return None
    with taken_over(path) as dead:
        return not dead


def _unwritable(directory: Path, error: OSError) -> StoreError:
    remedy = "it holds what running processes need; make room for it, and let this user write it"
    return StoreError(f"the directory {directory} cannot be written ({error.strerror}): {remedy}")
