"""How much is measured: more takes longer and spreads less."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """The sizes of a run; all but the repeats and the open streams are counts in each repeat."""

    repeats: int
    blocking: int  # requests
    bulk: int  # streams
    paced: int  # streams of each system
    chunks: int  # of each paced stream
    tokens: int  # first ones
    rounds: int  # injected ones
    open_streams: int = 500


FULL = Effort(repeats=9, blocking=1500, bulk=100, paced=16, chunks=200, tokens=30, rounds=60)
QUICK = Effort(repeats=3, blocking=96, bulk=16, paced=16, chunks=50, tokens=8, rounds=8)
