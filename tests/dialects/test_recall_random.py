"""Random conversations: whatever is put back is just what the provider knew, and whatever is not is left alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aibridge.testing.answers import Answer, Call
from aibridge.testing.api import answer
from aibridge.testing.request import Request
from tests.dialects.playing import CITY, TIME
from tests.dialects.remembering import (
    CLIENTS,
    TELLING,
    Client,
    Event,
    History,
    Talk,
    events_of,
    hm,
    ours,
    theirs,
)
from tests.dialects.retelling import RETELLINGS, retellings
from tests.dialects.test_recall_retold import bare


@dataclass(frozen=True)
class Round:
    """What the model does in a round: a call is of ours (True) or the client's."""

    speaks: bool
    thinks: bool
    calls: tuple[bool, ...]


@dataclass(frozen=True)
class Move:
    """A turn on one of the branches, or where it began: numbers are taken modulo what there is."""

    branch: int
    fork: int | None
    edit: int | None
    question: str
    rounds: tuple[Round, ...]
    streaming: bool


def rounds(thinks: bool, calls: st.SearchStrategy[list[bool]]) -> st.SearchStrategy[Round]:
    return st.builds(Round, st.booleans(), st.booleans() if thinks else st.just(False), calls.map(tuple))


def moves(*, thinks: bool = True, edits: bool = False, hides: int = 0) -> st.SearchStrategy[list[Move]]:
    """A few turns, with so many hidden rounds at least. An answer ends a turn unless all its calls are ours."""
    hidden = st.lists(rounds(thinks, st.lists(st.just(True), min_size=1, max_size=3)), min_size=hides, max_size=3)
    last = rounds(thinks, st.lists(st.booleans(), max_size=4).filter(lambda calls: not calls or not all(calls)))
    move = st.builds(
        Move,
        branch=st.integers(0, 3),
        fork=st.none() | st.integers(0, 3),
        edit=st.none() | st.integers(0, 3) if edits else st.none(),
        question=st.sampled_from(["Go.", "And now?", "Two\nlines, and more."]),
        rounds=st.builds(lambda some, one: (*some, one), hidden, last),
        streaming=st.booleans(),
    )
    return st.lists(move, min_size=1, max_size=6)


@dataclass
class Branch:
    """One course of the conversation."""

    talk: Talk
    waiting: list[str] = field(default_factory=list)  # the client's calls that it has not answered
    turns: list[tuple[Client, int]] = field(default_factory=list)  # before each: the client, the length of the story
    moved: int = 0  # so often; no call's id comes twice in one course, but it may come in another

    def forked(self, at: int) -> Branch:
        """The same conversation before its turn `at`."""
        talk, (client, story) = self.talk, self.turns[at]
        twin = Talk(copy.deepcopy(client), talk.streaming, talk.recall)
        twin.provider = talk.provider
        twin.story = talk.story[:story]
        return Branch(twin, turns=self.turns[:at], moved=self.moved)

    def play(self, move: Move, numbers: Iterator[int]) -> None:
        talk = self.talk
        talk.streaming = move.streaming
        self.moved += 1
        rounds = [self._answer(number, made, numbers) for number, made in enumerate(move.rounds)]
        if self.waiting:
            results = [(id_, f"result of {id_}") for id_ in self.waiting]
            talk.answer(results, *rounds)
        else:
            self.turns.append((copy.deepcopy(talk.client), len(talk.story)))
            talk.ask(move.question, *rounds)
        self.waiting = [call.id for call in rounds[-1].calls if call.name not in (TIME.name, CITY.name)]

    def _answer(self, number: int, made: Round, numbers: Iterator[int]) -> Answer:
        """Words and arguments tell all answers apart; the ids of their calls don't, on another branch."""
        unique = next(numbers)
        speaks = made.speaks or not made.calls
        calls = [self._call(f"call_{self.moved}_{number}_{at}", own, unique) for at, own in enumerate(made.calls)]
        thoughts = [hm(f"Thought {unique}.")] if made.thinks else []
        return answer(*thoughts, *([f"Words, number {unique}. "] if speaks else []), *calls)

    def _call(self, id_: str, own: bool, unique: int) -> Call:
        arguments = json.dumps({"n": unique})
        return ours(id_, TIME, arguments) if own else theirs(id_, "run", arguments)

    def edit(self, at: int, text: str) -> None:
        """The client changes the question of its turn `at`: what it saw of this and later turns is all that is left."""
        client, story = self.turns[at]
        del self.turns[at + 1 :]
        history, begin = self.talk.client.history, len(client.history)
        history[begin] = {"role": "user", "content": text}
        self.talk.rewrite(story, self._seen(history[begin:]), self.waiting)

    def _seen(self, history: History) -> list[Event]:
        """What the provider makes of these messages."""
        client = self.talk.client
        body = json.dumps({**client.members(), client.member: client.retell(copy.deepcopy(history))}).encode()
        request = Request("POST", client.path, body=body, dialect=client.dialect)
        return events_of(client.dialect.memory().view(request))


def play_all(first: Branch, script: Sequence[Move]) -> None:
    """After each turn the provider has been told the whole story, and each round began with what it had seen before."""
    branches, numbers = [first], count()
    for move in script:
        branch = branches[move.branch % len(branches)]
        if move.fork is not None and branch.turns:
            branch = branch.forked(move.fork % len(branch.turns))
            branches.append(branch)
        if move.edit is not None and branch.turns:
            branch.edit(move.edit % len(branch.turns), f"Another question, {next(numbers)}.")
        talk = branch.talk
        since = len(talk.provider.views)
        branch.play(move, numbers)
        assert bare(talk.told) == bare(talk.story[: talk.answered_at])
        assert all(later.continues(earlier) for earlier, later in pairwise(talk.provider.views[since:]))


often = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda client: client.name)
@often
@given(moves())
def test_a_faithful_clients_provider_forgets_nothing(kind: type[Client], script: list[Move]) -> None:
    play_all(Branch(Talk(kind(), streaming=True)), script)


@pytest.mark.parametrize("kind", TELLING, ids=lambda client: client.name)
@often
@given(moves(thinks=False, edits=True))  # a provider refuses thoughts whose calls it is not told
def test_what_a_client_edits_is_told_as_it_tells_it(kind: type[Client], script: list[Move]) -> None:
    play_all(Branch(Talk(kind(), streaming=True)), script)


@pytest.mark.parametrize(("kind", "how"), retellings(TELLING))
@settings(often, max_examples=10)
@given(moves(hides=1))  # what it drops elsewhere is its own affair
def test_a_client_that_retells_loses_nothing(kind: type[Client], how: str, script: list[Move]) -> None:
    talk = Talk(kind(), streaming=True)
    talk.client.retell = RETELLINGS[talk.client.name][how]
    play_all(Branch(talk), script)
