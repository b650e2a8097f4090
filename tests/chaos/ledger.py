"""What the clients saw, request by request: the second book, with which the gateway's own is compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Seen = Literal["nothing", "complete", "error", "cut", "odd", "hung"]
"""How a request ended for its client.

nothing: no response at all · complete: up to its terminal event · error: told in the dialect's form · cut: the
connection was lost in it · odd: in a form that no client knows · hung: not within the deadline.
"""


@dataclass(slots=True)
class Asked:
    """One request. Times are those of the monotonic clock, in seconds."""

    number: int
    dialect: str
    model: str
    streaming: bool
    began: float
    ended: float = 0.0
    status: int = 0
    id: str = ""  # of the interception, as the response's head said; a request that has one was accepted
    seen: Seen = "nothing"
    rounds: int = 0  # of a complete answer, as the provider counted
    calls: int = 0
    last: bytes = b""  # of what came, where that was odd

    @property
    def prompt(self) -> str:
        """The words of the person, in which no two requests are alike."""
        return f"Question {self.number}, please."

    @property
    def history(self) -> list[dict[str, str]]:
        """What was said before: in every third request something, for which the gateway's memory is searched."""
        said = [("user", f"Question before {self.number}."), ("assistant", "Ask me again.")]
        return [{"role": role, "content": text} for role, text in said] if self.number % 3 == 0 else []

    def __str__(self) -> str:
        how = "a stream" if self.streaming else "in one piece"
        after = self.ended - self.began
        return f"request {self.number} ({self.dialect}, {self.model}, {how}, {self.id or 'no id'}, after {after:.1f} s)"


@dataclass(slots=True)
class Ledger:
    """All requests of a storm."""

    requests: list[Asked] = field(default_factory=list)

    def accepted(self) -> list[Asked]:
        """Those that the gateway took on: their clients know an interception's id."""
        return [asked for asked in self.requests if asked.id]

    def seen(self, *how: Seen) -> Iterator[Asked]:
        return (asked for asked in self.requests if asked.seen in how)

    def figures(self) -> dict[str, int]:
        """How many requests ended in which way."""
        counted = Counter(asked.seen for asked in self.requests)
        accepted = {"requests": len(self.requests), "accepted": len(self.accepted())}
        return {**accepted, **{f"seen: {how}": counted[how] for how in sorted(counted)}}
