"""A clock whose hands the tests move."""

from __future__ import annotations

from dataclasses import replace

from aibridge.upstream.clock import REAL, Clock

MIDNIGHT = 1_800_000_000.0


class Hands:
    """Stands still but for what is slept on it, which takes no time at all."""

    def __init__(self) -> None:
        self.at = 0.0
        self.slept: list[float] = []
        self.clock: Clock = replace(
            REAL, now=lambda: self.at, today=lambda: MIDNIGHT + self.at, sleep=self._sleep, chance=lambda: 0.0
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
