"""What is known without asking the database: the turns used last, and for a while the places where there are none."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

from aibridge.recall.turns import Kept, Place

ABSENCE = timedelta(seconds=30)
"""For so long a place is taken for empty once the database has said so. Another process may fill it meanwhile."""

_MOST_ABSENT = 50_000
"""Places known to be empty at most: some 15 MB."""

_OVERHEAD = 1024
"""What a place costs beside its turn's content, in bytes, generously."""


@dataclass(eq=False, slots=True)
class Question:
    """What the database is asked. Its places are known to be empty once it is answered and they still belong to it."""

    asked_at: datetime
    answered: bool = False


@dataclass(eq=False, slots=True)
class Held:
    """A turn that is held, once, at as many places."""

    kept: Kept
    places: int = 0


@final
class Memory:
    """Holds so many bytes at most; the place that was not used for longest goes first, a turn with its last place.

    A turn's content counts once. Were it counted at each of its places, what is really held would rise and fall with
    the traffic's mix, and a process gives little of a high tide back.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._held: OrderedDict[Place, Held] = OrderedDict()
        self._turns: dict[str, Held] = {}
        self._asked: OrderedDict[Place, Question] = OrderedDict()

    def look(self, places: Iterable[Place], now: datetime) -> tuple[dict[Place, Kept], list[Place]]:
        """The turns at these places, and the places of which nothing is known."""
        found: dict[Place, Kept] = {}
        unknown: list[Place] = []
        since = now - ABSENCE
        for place in places:
            if (held := self._held.get(place)) is not None and held.kept.expires_at > now:
                self._held.move_to_end(place)
                found[place] = held.kept
            elif (asked := self._asked.get(place)) is None or not (asked.answered and since < asked.asked_at <= now):
                unknown.append(place)
        return found, unknown

    def ask(self, places: Iterable[Place], now: datetime) -> Question:
        """Notes that the database is being asked about these places."""
        question = Question(now)
        for place in places:
            self._asked[place] = question
            self._asked.move_to_end(place)
        self._forget_stale(now)
        return question

    def _forget_stale(self, now: datetime) -> None:
        """Lets go of what is of no use any more, lest it grow to its bound over hours; the oldest stand in front."""
        while self._asked:
            oldest = next(iter(self._asked.values()))
            if len(self._asked) <= _MOST_ABSENT and now - oldest.asked_at <= ABSENCE:
                return
            self._asked.popitem(last=False)

    def learn(self, question: Question, answer: Mapping[Place, Kept] | None) -> None:
        """Takes the database's answer: all turns that are there. What was kept since the question is newer.

        Where there is no answer the question stays open.
        """
        if answer is None:
            return
        question.answered = True
        for place, kept in answer.items():
            if self._asked.get(place) is question:
                del self._asked[place]
                self._hold(place, kept)

    def keep(self, turns: Mapping[Place, Kept]) -> None:
        """Takes turns of our own; each replaces what was known of its place."""
        for place, kept in turns.items():
            self._asked.pop(place, None)
            self._hold(place, kept)

    def _hold(self, place: Place, kept: Kept) -> None:
        self._let_go(place)
        if _price(place) + len(kept.content) > self._max_bytes:
            return
        turn = self._turns.get(kept.id)
        if turn is None:
            turn = self._turns[kept.id] = Held(kept)
            self._bytes += len(kept.content)
        turn.places += 1
        self._held[place] = turn
        self._bytes += _price(place)
        while self._bytes > self._max_bytes:
            self._let_go(next(iter(self._held)))

    def _let_go(self, place: Place) -> None:
        turn = self._held.pop(place, None)
        if turn is None:
            return
        self._bytes -= _price(place)
        turn.places -= 1
        if not turn.places:
            del self._turns[turn.kept.id]
            self._bytes -= len(turn.kept.content)


def _price(place: Place) -> int:
    return _OVERHEAD + sum(map(len, place))
