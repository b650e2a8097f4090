"""What every scenario comes to, and how it tells of itself on the way."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

Figure = int | float | str


@dataclass(slots=True)
class Outcome:
    """Figures, and the promises that were broken, in one line each."""

    name: str
    figures: dict[str, Figure] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    def say(self, what: str) -> None:
        """A line about how far it is."""
        print(f"{time.monotonic() - self._began:7.1f} s  {self.name}: {what}", flush=True)  # noqa: T201

    def add(self, found: tuple[dict[str, int], list[str]]) -> None:
        """Takes on what a comparison has found."""
        figures, broken = found
        self.figures |= figures
        self.broken += broken

    def expect(self, holds: object, promise: str) -> None:
        """Notes a promise as broken where it does not hold."""
        if not holds:
            self.broken.append(promise)

    def end(self) -> Outcome:
        self.seconds = round(time.monotonic() - self._began, 1)
        return self
