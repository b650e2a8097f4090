"""Hidden turns are remembered: whatever the gateway did behind a client's back, the provider sees it again.

The provider is strict: it refuses calls without results, results without calls, and altered thoughts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest

from aibridge.testing import answer, call, thought
from aibridge.testing.answers import Answer
from tests.e2e.recalling import (
    TALKS,
    WAYS,
    ChainTalk,
    Gateways,
    House,
    Provider,
    Talk,
    Way,
    all_ids,
    begins_with,
    house,
    ids,
    openai_at,
    shown,
)

NOW, CONVERT = "bmcp_time_get_current_time", "bmcp_time_convert_time"
TOKYO = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
RESULT = "noon it says"

FIRST = [
    answer(thought("A clock is needed."), "Let me look. ", call(NOW, {"timezone": "UTC"}, id="call_1")),
    answer("It is noon."),
]
PLAIN = [
    answer(
        thought("Two at once."), call(CONVERT, TOKYO, id="call_2"), call(NOW, {"timezone": "Asia/Tokyo"}, id="call_3")
    ),
    answer(thought("Again, to be sure."), "Once more. ", call(CONVERT, TOKYO, id="call_4")),
    answer(thought("They agree."), "It is nine there."),
]
MIXED = [
    answer(thought("First ours alone."), "I begin. ", call(NOW, {"timezone": "UTC"}, id="call_2")),
    answer(
        thought("Both are needed."),
        "Now both. ",
        call("read_file", {"path": "notes"}, id="call_3"),
        call(CONVERT, TOKYO, id="call_4"),
    ),
    answer(thought("The file is here."), call(NOW, {"timezone": "Asia/Tokyo"}, id="call_5")),
    answer("The notes are right."),
]
LAST = [
    answer(thought("It fails."), "A last look. ", call(NOW, {"timezone": "Nowhere/Land"}, id="call_6")),
    answer("Nobody knows."),
]
THANKS = [answer("You are welcome.")]


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture
def gateways(rooms: House) -> Gateways:
    return rooms.gateways


@pytest.fixture(params=TALKS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> type[Talk]:
    made: type[Talk] = request.param
    return made


@pytest.fixture
def provider(kind: type[Talk], rooms: House) -> Provider:
    """The one that this conversation is with."""
    return rooms.provider(kind.route)


@pytest.fixture(params=[False, True], ids=["blocking", "streaming"])
def talk(request: pytest.FixtureRequest, kind: type[Talk]) -> Talk:
    return kind(streaming=request.param)


@pytest.mark.parametrize("way", WAYS)
def test_the_provider_sees_every_hidden_turn_again(
    talk: Talk, provider: Provider, gateways: Gateways, way: Way
) -> None:
    script = [*FIRST, *PLAIN, *LAST, *THANKS]
    provider.handler = script
    urls = gateways.urls(way)

    told = [talk.ask(next(urls), "What time is it?")]
    told += [talk.ask(next(urls), "And in Tokyo?")]
    told += [talk.ask(next(urls), "And nowhere?")]
    told += [talk.ask(next(urls), "Thanks!")]

    assert [one.text for one in told] == [
        "Let me look. It is noon.",
        "Once more. It is nine there.",
        "A last look. Nobody knows.",
        "You are welcome.",
    ]
    assert "call_" not in "".join(one.everything for one in told)
    check_requests(talk, provider, script)


@pytest.mark.parametrize("way", WAYS)
def test_results_of_ours_stand_beside_the_client_s_own(
    talk: Talk, provider: Provider, gateways: Gateways, way: Way
) -> None:
    script = [*FIRST, *MIXED, *LAST, *THANKS]
    provider.handler = script
    urls = gateways.urls(way)

    talk.ask(next(urls), "What time is it?")
    mixed = talk.ask(next(urls), "Do the notes agree?")
    assert mixed.calls == ["call_3"]
    answered = talk.answer(next(urls), {"call_3": RESULT})
    talk.ask(next(urls), "And nowhere?")
    talk.ask(next(urls), "Thanks!")

    assert answered.text == "The notes are right."
    assert "bmcp_" not in mixed.everything + answered.everything
    check_requests(talk, provider, script)
    assert shown(provider.views[-1]).count(RESULT) == 1


def check_requests(talk: Talk, provider: Provider, script: Sequence[Answer]) -> None:
    """Each request goes on exactly where the one before was, and the last tells all that was said and done."""
    assert provider.faults == []
    assert len(provider.requests) == len(script)
    for before, after in pairwise(provider.views):
        assert after.continues(before)
    for earlier, later in pairwise(provider.requests) if talk.whole else ():
        assert begins_with(later.body, earlier.body, talk.member)
    told = shown(provider.views[-1])
    assert ids(told) == all_ids(script)
    thoughts = [text for one in script for text in one.thoughts if talk.shows_thoughts]
    for text in filter(None, (*(one.text for one in script[:-1]), *thoughts)):
        assert told.count(text) == 1, text


TELLING = [kind for kind in TALKS if kind is not ChainTalk]  # where the provider stores it all, it needs no reminder


@pytest.mark.parametrize("kind", TELLING, ids=lambda kind: kind.name, indirect=True)
def test_a_client_may_refuse_to_be_reminded(talk: Talk, provider: Provider, gateways: Gateways) -> None:
    provider.handler = [*FIRST, *THANKS]
    urls = gateways.urls("one gateway")

    talk.ask(next(urls), "What time is it?")
    told = talk.ask(next(urls), "Thanks!", extra_headers={"x-aibridge-recall": "off"})

    assert told.text == "You are welcome."
    assert provider.faults == []
    assert ids(shown(provider.views[-1])) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [ChainTalk], ids=["responses"], indirect=True)
def test_a_stored_response_is_found_by_the_id_that_the_client_knows(
    talk: Talk, provider: Provider, gateways: Gateways, way: Way
) -> None:
    first, last = FIRST
    provider.handler = [first, answer(*last.parts, id="resp_of_the_last_round")]
    urls = gateways.urls(way)
    told = talk.ask(next(urls), "What time is it?")

    with openai_at(next(urls)) as client:
        client.responses.retrieve(told.id)

    assert told.id != "resp_of_the_last_round"
    assert provider.requests[-1].path.endswith("/responses/resp_of_the_last_round")
