"""The spools of dead processes: whoever lives on takes what is in them to the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import make_url

from aibridge.recorder.drain import Drain
from aibridge.recorder.locks import taken_over
from aibridge.recorder.spool import SUFFIX, Segment, Spool
from aibridge.store.engine import StoreError, database_path


def claim(directory: Path, url: str) -> None:
    """Takes care that one directory serves one database: what is left in it must go nowhere else.

    Raises StoreError where another database has claimed it, or it cannot be written.
    """
    path = database_path(url)
    mine = str(path.resolve()) if path else make_url(url).set(drivername="postgresql", password=None, query={})
    note = directory / "database"
    try:
        with suppress(FileExistsError), note.open("x") as file:
            file.write(f"{mine}\n")
        theirs = note.read_text().strip()
    except OSError as error:
        raise StoreError(f"the spool's directory {directory} cannot be used ({error.strerror})") from None
    if theirs not in ("", str(mine)):
        remedy = f"name another recorder.spool_dir, or delete {note} if both are the same database"
        raise StoreError(f"the spool {directory} belongs to the database {theirs}, and not to {mine}: {remedy}")


async def recover(spool: Spool, drain: Drain) -> None:
    """Takes in what dead processes left beside our own spool. Raises DBAPIError: the rest waits for another time.

    Their locks are held meanwhile, so that of several processes one does it.
    """
    spool.others = sum(segment.size for name in _others(spool) for segment in _segments(spool.directory, name))
    for name in _others(spool):
        with _dead(spool.directory, name) as segments:
            for segment in segments:
                await drain.recover(segment)
                spool.others -= segment.size


def _others(spool: Spool) -> list[str]:
    found = (file for file in spool.directory.iterdir() if file.suffix in (SUFFIX, ".lock"))
    return sorted({file.name.partition(".")[0] for file in found} - {spool.instance_id})


def _segments(directory: Path, name: str) -> list[Segment]:
    segments = []
    for path in sorted(directory.glob(f"{name}.*{SUFFIX}")):
        with suppress(FileNotFoundError):  # its owner lives, and was quicker
            segments.append(Segment(path, path.stat().st_size))
    return segments


@contextmanager
def _dead(directory: Path, name: str) -> Iterator[list[Segment]]:
    """The files of a process, if it is dead; its lock goes with the last of them."""
    lock = directory / f"{name}.lock"
    with taken_over(lock) as dead:
        yield _segments(directory, name) if dead else []
        if dead and not _segments(directory, name):
            lock.unlink(missing_ok=True)
