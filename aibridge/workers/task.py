"""What a worker is told when it is started."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import BinaryIO

from aibridge.config import Settings, Source


@dataclass(frozen=True, slots=True)
class Task:
    """The worker's number, from 1 on, what it serves, and the file descriptors that it inherits."""

    number: int
    settings: Settings
    source: Source
    listener: int
    channel: int

    def packed(self) -> bytes:
        """As it goes through a pipe, where nobody else can read the keys in it."""
        return pickle.dumps(self)

    @staticmethod
    def unpacked(pipe: BinaryIO) -> Task:
        """The task in a pipe that only the parent writes to."""
        task: Task = pickle.load(pipe)  # noqa: S301
        return task
