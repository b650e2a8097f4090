"""Clients write their history in many ways; however they do, the provider is told what it knew."""

from __future__ import annotations

from itertools import pairwise

import pytest

from aibridge.testing.api import answer
from tests.dialects.playing import CITY
from tests.dialects.remembering import TELLING, Client, Event, Talk, hm, ours, theirs
from tests.dialects.retelling import RETELLINGS, retellings

EDIT = '{"to":1.0,"from":{"b":"é","a":[]}}'


@pytest.fixture(params=retellings(TELLING), ids=lambda given: f"{given[0].name} {given[1]}")
def talk(request: pytest.FixtureRequest) -> Talk:
    """A conversation with a client that tells its history in one of these ways, each time."""
    kind: type[Client] = request.param[0]
    talk = Talk(kind(), streaming=True)
    talk.client.retell = RETELLINGS[talk.client.name][request.param[1]]
    return talk


def bare(events: list[Event]) -> list[Event]:
    """What is told, however it is spaced and cut."""
    told: list[Event] = []
    for kind, *texts in events:
        spaceless = ["".join(text.split()) for text in texts]
        if told and told[-1][0] == kind and kind in ("user", "assistant"):
            told[-1] = kind, told[-1][1] + spaceless[0]
        else:
            told.append((kind, *spaceless))
    return told


def test_all_is_remembered(talk: Talk) -> None:
    talk.ask("What time is it?", answer(hm("a"), "Let me look. ", ours("call_1")), answer(hm("b"), "It is five. "))
    talk.ask("Note it.", answer(hm("c"), "Well: ", ours("call_2", CITY), theirs("call_3", arguments=EDIT)))
    talk.answer([("call_3", "edited")], answer(hm("d"), "One. ", ours("call_4")), answer(hm("e"), "Done. "))
    talk.ask("Again.", answer(hm("f"), "One more. ", ours("call_5")), answer(hm("g"), "Edit: ", theirs("call_6")))
    talk.answer([("call_6", "edited")], answer(hm("h"), ours("call_7")), answer("Done. "))
    talk.ask("Sure?", answer("Yes."))

    assert bare(talk.told) == bare(talk.story[: talk.answered_at])
    assert talk.recalled == [0, 1, 2, 3, 4, 5][: len(talk.recalled)]
    views = talk.provider.views
    assert all(later.continues(earlier) for earlier, later in pairwise(views))


def test_what_the_client_tells_as_it_was_passes_as_it_tells_it(talk: Talk) -> None:
    talk.ask("What time is it?", answer(ours("call_1")), answer("It is five. "))
    talk.ask("Sure?", answer("Yes."))

    sent = talk.client.sent()[0]
    assert talk.told_raw[0] == sent
