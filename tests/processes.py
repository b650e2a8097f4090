"""Processes that tests start: what they say is kept line by line, and when the block is over they are gone."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class Process:
    """A running command. `with` ends it."""

    def __init__(self, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path | None = None) -> None:
        self.lines: list[str] = []  # of its standard output and error
        self._over = False
        self._said = threading.Condition()
        self._child = subprocess.Popen(
            [str(word) for word in command],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def output(self) -> str:
        """All that it has said so far."""
        return "\n".join(self.lines)

    def wait_for_line(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        """The first line that the pattern is found in. Fails where the process ends without it, or takes too long."""

        def found() -> re.Match[str] | None:
            return next(filter(None, (re.search(pattern, line) for line in self.lines)), None)

        with self._said:
            self._said.wait_for(lambda: found() or self._over, seconds)
            match = found()
        assert match, f"it did not say {pattern!r} within {seconds:g} s"
        return match

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def status(self, seconds: float = 15) -> int:
        """Its exit status, once it has ended and all that it said is here."""
        status = self._child.wait(seconds)
        self._reader.join(seconds)
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note("\n".join(["It said at last:", *self.lines[-20:]]))
        with self._child:
            self._child.terminate()
            try:
                self._child.wait(10)
            except subprocess.TimeoutExpired:
                self._child.kill()
            self._reader.join(5)

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            with self._said:
                self.lines.append(line.rstrip("\n"))
                self._said.notify_all()
        with self._said:
            self._over = True
            self._said.notify_all()
