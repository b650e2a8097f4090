"""Whether a file has changed, told by looking at it now and then."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_Signature = tuple[int, int, int, int]
_NEVER: Final[_Signature] = (-1, -1, -1, -1)


class FileWatch:
    """Looks through symbolic links, so it also sees one that points elsewhere now, as Kubernetes changes its files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: _Signature | None = _NEVER  # it may have changed since it was read, so it counts as changed
        self._last = self._look()

    def changed(self) -> bool:
        """Whether the file is another one than before, and has come to rest: asked once a second, say.

        What is still being written has changed since the last look. Half of a file could be a good one.
        """
        last, self._last = self._last, self._look()
        if self._last == self._known or self._last != last:
            return False
        self._known = self._last
        return True

    def _look(self) -> _Signature | None:
        try:
            found = self._path.stat()
        except OSError:
            return None  # whoever reads it will say why
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
