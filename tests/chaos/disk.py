"""A small disk that can be filled."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

SIZE = "256m"

_PIECE = bytes(64 * 1024)


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system of its own."""

    directory: Path

    async def stay_full(self) -> NoReturn:
        """Fills it, and again whenever something was freed."""
        while True:
            self._fill()
            await asyncio.sleep(0.05)

    def free(self) -> None:
        self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return self.directory / "ballast"

    def _fill(self) -> None:
        size = len(_PIECE)
        with self._ballast.open("ab", buffering=0) as ballast:
            while size:
                try:
                    ballast.write(_PIECE[:size])
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2


@asynccontextmanager
async def tmpfs(directory: Path) -> AsyncIterator[Disk | None]:
    """A disk in memory while the block runs; None where this user may mount nothing."""
    directory.mkdir()  # noqa: ASYNC240  nothing waits for this one
    mount = ("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(directory))
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:  # noqa: ASYNC221
        yield None
        return
    try:
        yield Disk(directory)
    finally:
        subprocess.run(("umount", str(directory)), check=True)  # noqa: ASYNC221
