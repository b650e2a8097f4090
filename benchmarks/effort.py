"""How much is measured: more takes longer and spreads less."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """The sizes of a run; all but the repeats and the open streams are counts in each repeat."""

    repeats: int
    blocking: int  # requests
    bulk: int  # streams
    paced: int  # streams
    chunks: int  # of each paced stream
    tokens: int  # first ones
    rounds: int  # injected ones
    open_streams: int = 500


FULL = Effort(repeats=9, blocking=600, bulk=100, paced=32, chunks=100, tokens=30, rounds=60)
QUICK = Effort(repeats=3, blocking=160, bulk=24, paced=32, chunks=20, tokens=10, rounds=12)
