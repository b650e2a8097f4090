"""Whose an open interception is. What a dead process left open is ended as crashed.

A living process holds a lock on a file of its own, beside the database: the system lets go of it whatever kills the
process. Where the file cannot be seen, on another machine, a heartbeat in the database tells.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from aibridge.recorder import totals
from aibridge.recorder.locks import held, is_locked, make_private
from aibridge.store.tables import instances, interceptions

HEARTBEAT_SECONDS = 10.0
"""How often a process says that it lives."""

_SILENCE = timedelta(seconds=60)
"""After so long without a heartbeat another machine's process is taken for dead."""


class Instance:
    """Our own process, as the others see it. The methods run on the database's thread, each in a transaction."""

    def __init__(self, directory: Path, now: Callable[[], datetime]) -> None:
        self.id = str(uuid4())
        self._directory = directory
        self._now = now
        self._started_at = now()

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Holds the lock. Raises StoreError where the directory cannot be written."""
        make_private(self._directory)
        with held(self._lock_of(self.id)):
            try:
                yield
            finally:
                self._lock_of(self.id).unlink(missing_ok=True)

    def beat(self, connection: Connection) -> None:
        """Says that this process lives, and ends what dead ones left open."""
        self.register(connection)
        for other in connection.execute(select(instances).where(instances.c.id != self.id)).all():
            if self._is_dead(other):
                connection.execute(delete(instances).where(instances.c.id == other.id))
                self._lock_of(other.id).unlink(missing_ok=True)
        self._end_orphans(connection)

    def leave(self, connection: Connection) -> None:
        """Takes leave: this process serves nothing any more."""
        connection.execute(delete(instances).where(instances.c.id == self.id))

    def register(self, connection: Connection) -> None:
        """Says that this process lives."""
        now = self._now()
        known = connection.execute(update(instances).where(instances.c.id == self.id).values(heartbeat_at=now))
        if known.rowcount == 0:
            row = {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "started_at": self._started_at,
                "heartbeat_at": now,
            }
            connection.execute(insert(instances).values(id=self.id, **row))

    def _is_dead(self, other: Row[Any]) -> bool:
        """A lock that cannot be seen tells nothing: two containers may have one name, and a directory each."""
        locked = is_locked(self._lock_of(other.id))
        return not locked if locked is not None else bool(self._now() - other.heartbeat_at > _SILENCE)

    def _end_orphans(self, connection: Connection) -> None:
        """Ends the open interceptions that belong to no living process."""
        owner = interceptions.c.instance_id
        orphaned = or_(owner.is_(None), owner.not_in(select(instances.c.id)))
        connection.execute(
            update(interceptions)
            .where(interceptions.c.ended_at.is_(None), orphaned)
            .values(
                ended_at=self._now(),
                status="crashed",
                error_type="server_error",
                error_message="the process that served it ended before it did",
                **totals.of_each(),
            )
        )

    def _lock_of(self, instance_id: str) -> Path:
        return self._directory / f"{instance_id}.lock"
