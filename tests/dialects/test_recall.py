"""The provider never forgets what the client did not see: the same scripts over all kinds of clients and both modes."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from aibridge.testing.api import answer
from tests.dialects.playing import CITY
from tests.dialects.remembering import EVERYONE, TELLING, Client, Talk, hm, ours, theirs


@pytest.fixture(params=[True, False], ids=["streaming", "blocking"])
def streaming(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=EVERYONE, ids=lambda client: client.name)
def talk(request: pytest.FixtureRequest, streaming: bool) -> Talk:
    """A conversation of any client."""
    return Talk(request.param(), streaming)


@pytest.fixture(params=TELLING, ids=lambda client: client.name)
def telling(request: pytest.FixtureRequest, streaming: bool) -> Talk:
    """A conversation of a client that tells all its history."""
    return Talk(request.param(), streaming)


def assert_whole(talk: Talk) -> None:
    """The provider knows all, and each request began with just what it had seen in the one before."""
    assert talk.told == talk.story[: talk.answered_at]
    views = talk.provider.views
    assert all(later.continues(earlier) for earlier, later in pairwise(views))
    if type(talk.client) in TELLING:
        raw = [[json.dumps(item) for item in request.fields[talk.client.member]] for request in talk.provider.requests]
        assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(raw))


# What the client does not see.


def test_three_turns_with_an_injected_call_each(talk: Talk) -> None:
    for turn in "abc":
        talk.ask(f"Question {turn}?", answer(f"Let me look {turn}. ", ours(f"call_{turn}")), answer(f"It is {turn}."))
    talk.ask("And now?", answer("Bye."))

    assert [event[0] for event in talk.told] == [
        *(["user", "assistant", "call", "result", "assistant"] * 3),
        "user",
    ]
    assert_whole(talk)


def test_a_round_of_nothing_but_a_call(talk: Talk) -> None:
    talk.ask("What time is it?", answer(ours("call_1")), answer("It is five."))
    talk.ask("Sure?", answer("Yes."))

    assert ("result", "call_1", "time for call_1{}") in talk.told
    assert_whole(talk)


def test_several_rounds_in_a_turn(talk: Talk) -> None:
    rounds = [answer(f"Step {n}. ", ours(f"call_{n}", CITY, f'{{"n":{n}}}')) for n in range(4)]
    talk.ask("Go.", *rounds, answer("Done."))
    talk.ask("Sure?", answer("Yes."))

    assert_whole(talk)


def test_parallel_calls(talk: Talk) -> None:
    talk.ask("Go.", answer("Both. ", ours("call_1"), ours("call_2", CITY)), answer("Done."))
    talk.ask("Sure?", answer("Yes."))

    assert_whole(talk)


def test_thoughts_come_back_as_they_were(talk: Talk) -> None:
    talk.ask("Go.", answer(hm("first"), "Look. ", ours("call_1")), answer(hm("then"), "Done."))
    talk.ask("Sure?", answer(hm("last"), ours("call_2")), answer(hm("very last"), "Yes."))
    talk.ask("Really?", answer("Yes."))

    assert_whole(talk)


def test_a_turn_in_which_nothing_was_hidden_is_not_kept(talk: Talk) -> None:
    talk.ask("Hello.", answer("Hi."))
    talk.ask("Edit.", answer("Well. ", theirs("call_1")))
    talk.answer([("call_1", "edited")], answer("Done."))

    assert talk.recall.kept == {}
    assert_whole(talk)


def test_the_last_round_says_nothing(talk: Talk) -> None:
    talk.ask("Go.", answer("Let me look. ", ours("call_1")), answer())
    talk.ask("Well?", answer("It is five."))

    assert ("result", "call_1", "time for call_1{}") in talk.told
    assert [event for event in talk.told if event != ("assistant", "")] == talk.story[: talk.answered_at]


def test_a_failing_tool_is_remembered_as_well(talk: Talk) -> None:
    talk.ask("Go.", answer(ours("call_1", arguments='{"fail":1}')), answer("It failed."))
    talk.ask("Why?", answer("No idea."))

    assert ("result", "call_1", 'Error: time for call_1{"fail":1}') in talk.told
    assert_whole(talk)


# Mixed rounds.


@pytest.mark.parametrize("calls", [("a", "B"), ("B", "a"), ("a", "B", "c", "D"), ("B", "a", "D", "c")])
def test_a_mixed_round(talk: Talk, calls: tuple[str, ...]) -> None:
    made = [ours(id_) if id_.islower() else theirs(id_) for id_ in calls]
    mine = [(id_, f"result {id_}") for id_ in calls if id_.isupper()]
    talk.ask("Go.", answer("Both. ", *made))
    talk.answer(mine, answer("Done."))

    assert [event[:2] for event in talk.told if event[0] == "result"] == [("result", id_) for id_ in calls]
    talk.ask("Sure?", answer("Yes."))
    assert_whole(talk)


def test_a_mixed_round_without_words(talk: Talk) -> None:
    talk.ask("Go.", answer(ours("call_1"), theirs("call_2")))
    talk.answer([("call_2", "edited")], answer("Done."))
    talk.ask("Sure?", answer("Yes."))

    assert_whole(talk)


def test_a_mixed_round_after_hidden_ones(talk: Talk) -> None:
    talk.ask(
        "Go.", answer(hm("a"), "One. ", ours("call_1")), answer(hm("b"), "Two. ", theirs("call_2"), ours("call_3"))
    )
    talk.answer([("call_2", "edited")], answer("Three. ", ours("call_4")), answer("Four."))
    talk.ask("Sure?", answer("Yes."))

    assert_whole(talk)


def test_a_call_of_the_clients_after_hidden_rounds(talk: Talk) -> None:
    talk.ask(
        "Go.", answer("One. ", ours("call_1")), answer(hm("a"), "Two. ", theirs("call_2"), theirs("call_3", "run"))
    )
    talk.answer([("call_2", "edited"), ("call_3", "ran")], answer("Done."))
    talk.ask("Sure?", answer("Yes."))

    assert_whole(talk)


def test_mixed_rounds_one_after_another(talk: Talk) -> None:
    talk.ask("Go.", answer(ours("call_1"), theirs("call_2")))
    talk.answer([("call_2", "edited")], answer(theirs("call_3"), ours("call_4")))
    talk.answer([("call_3", "edited again")], answer("Done."))
    talk.ask("Sure?", answer("Yes."))

    assert_whole(talk)


def test_the_client_answers_in_another_order_than_it_was_called(talk: Talk) -> None:
    talk.ask("Go.", answer(theirs("call_1"), ours("call_2"), theirs("call_3", "run")))
    talk.answer([("call_3", "ran"), ("call_1", "edited")], answer("Done."))

    assert [event[1] for event in talk.told if event[0] == "result"] == ["call_1", "call_2", "call_3"]


def test_a_client_that_drops_a_call_it_did_not_answer(telling: Talk) -> None:
    telling.ask("Go.", answer("Both. ", ours("call_1"), theirs("call_2")))
    telling.client.history = [_without_calls(message) for message in telling.client.history if "call_id" not in message]
    telling.ask("Never mind.", answer("Fine."))

    assert telling.recalled == [0, 0]
    assert telling.told_raw == telling.client.sent()[: len(telling.told_raw)]


def _without_calls(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    blocks = content if isinstance(content, str) else [part for part in content if part["type"] != "tool_use"]
    return {"role": message["role"], "content": blocks}


def test_a_client_that_goes_on_without_its_results_is_left_to_the_provider(telling: Talk) -> None:
    telling.ask("Go.", answer("Both. ", ours("call_1"), theirs("call_2"), theirs("call_3", "run")))
    client = telling.client
    for results in ((), (("call_2", "edited"),)):
        client.answer(*results)
        client.ask("Never mind.")
        exchange = type(client).exchange(client.request(streaming=telling.streaming), id="x", tools=telling.tools)

        assert telling.recall.kept
        assert not telling.recall.found(exchange.lookups())


def test_calls_that_nobody_can_tell_apart_are_not_kept(telling: Talk) -> None:
    telling.ask("Go.", answer(ours("call_1"), theirs("same"), theirs("same", "run")))

    assert telling.recall.kept == {}


# Where it belongs.


def test_another_conversation_gets_nothing_though_its_call_ids_are_the_same(telling: Talk) -> None:
    telling.ask("Go.", answer(ours("call_0"), theirs("call_1")))
    other = Talk(type(telling.client)(), telling.streaming, telling.recall)
    other.client.ask("Go on.")
    other.client.history += telling.client.history[1:]
    other.client.answer(("call_1", "edited"))
    other.play(answer("Done."))

    assert other.recalled == [0]
    assert other.told_raw == other.client.sent()[:-1]


def forked(first: Talk) -> Talk:
    """Another conversation of the same client with the same provider."""
    other = Talk(type(first.client)(), first.streaming, first.recall)
    other.provider = first.provider
    return other


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (answer("One. ", ours("call_0"), theirs("call_1")), answer("Two. ", ours("call_0"), theirs("call_1"))),
        (answer(ours("call_0"), theirs("call_1")), answer(ours("call_0"), theirs("call_1", arguments='{"b":1}'))),
        (answer(ours("call_0"), theirs("call_1")), answer(ours("call_0"), theirs("call_1", "run"))),
        (answer(ours("call_0"), theirs("call_1")), answer(ours("call_0"), theirs("call_2"))),
    ],
    ids=["words", "arguments", "tool", "id"],
)
def test_forks_with_the_same_ids_are_told_apart(telling: Talk, one: Any, two: Any) -> None:
    other = forked(telling)
    telling.ask("Go.", one)
    other.ask("Go.", two)
    for talk, made in ((telling, one), (other, two)):
        talk.answer([(made.calls[1].id, "done")], answer("Done."))
        assert talk.recalled[-1] == 1
        assert talk.told == talk.story[: talk.answered_at]


@pytest.mark.parametrize(
    "results",
    [
        ([("call_1", "edited"), ("call_2", "ran")], [("call_1", "denied"), ("call_2", "ran")]),
        ([("call_1", "ab"), ("call_2", "c")], [("call_1", "a"), ("call_2", "bc")]),
        ([("call_1", "a"), ("call_2", "b")], [("call_2", "a"), ("call_1", "b")]),
    ],
    ids=["text", "cut", "swapped"],
)
def test_forks_that_only_the_results_tell_apart(telling: Talk, results: Any) -> None:
    other = forked(telling)
    for talk, given, hidden in ((telling, results[0], ours("call_3")), (other, results[1], ours("call_4", CITY))):
        talk.ask("Go.", answer(theirs("call_1"), theirs("call_2", "run")))
        talk.answer(given, answer(hidden), answer("Done."))
    for talk, id_ in ((telling, "call_3"), (other, "call_4")):
        talk.ask("Sure?", answer("Yes."))
        assert [event[1] for event in talk.told if event[0] == "call"] == ["call_1", "call_2", id_]


def test_forks_that_go_on_from_one_answer_both_remember_it(telling: Talk) -> None:
    telling.ask("Go.", answer("One. ", ours("call_1")), answer("Two."))
    other = forked(telling)
    other.client.history, other.story = list(telling.client.history), list(telling.story)
    for talk, question in ((telling, "Left"), (other, "Right")):
        talk.ask(question, answer(f"{question} ", ours(f"call_{question}")), answer("Well."))
    for talk in (telling, other):
        talk.ask("Sure?", answer("Yes."))
        assert talk.recalled[-1] == 2
        assert talk.told == talk.story[: talk.answered_at]


def test_a_turn_that_is_asked_again_is_remembered_as_it_was_answered_last(telling: Talk) -> None:
    telling.ask("Go.", answer(ours("call_1")), answer("First."))
    telling.client.history.pop()
    telling.play(answer(ours("call_2")), answer("Second."))
    telling.ask("Sure?", answer("Yes."))

    assert [event[1] for event in telling.told if event[0] == "call"] == ["call_2"]


def test_an_edited_question_forgets_what_followed_it(telling: Talk) -> None:
    telling.ask("One?", answer(ours("call_1")), answer("One."))
    telling.ask("Two?", answer(ours("call_2")), answer("Two."))
    telling.client.history[-2]["content"] = "Two and a half?"
    telling.ask("Three?", answer("Three."))

    assert [event[1] for event in telling.told if event[0] == "call"] == ["call_1"]
    assert telling.recalled[-1] == 1


def test_an_edited_answer_is_not_taken_for_ours(telling: Talk) -> None:
    telling.ask("One?", answer(ours("call_1")), answer("It is five."))
    said = telling.client.history[-1]
    said["content"] = "It is six." if isinstance(said["content"], str) else [_retexted(said["content"][0], "Six.")]
    telling.ask("Sure?", answer("Yes."))

    assert telling.recalled[-1] == 0
    assert telling.told_raw == telling.client.sent()[:-1]


def _retexted(part: dict[str, Any], text: str) -> dict[str, Any]:
    return {**part, "text": text}


def test_a_compacted_history_passes_as_it_is(telling: Talk) -> None:
    telling.ask("One?", answer("Look. ", ours("call_1")), answer("One."))
    telling.ask("Two?", answer(ours("call_2")), answer("Two."))
    telling.client.history = [{"role": "user", "content": "Summary: one, two."}]
    telling.play(answer("Fine. ", ours("call_3")), answer("Three."))
    assert telling.recalled[-1] == 0
    assert telling.provider.requests[-2].fields[telling.client.member] == telling.client.sent()[:1]

    telling.ask("Sure?", answer("Yes."))
    assert [event[1] for event in telling.told if event[0] == "call"] == ["call_3"]


def test_a_question_about_another_picture_is_another_question(telling: Talk) -> None:
    pictures = [_picture(telling.client, data) for data in ("AAAA", "BBBB")]
    other = forked(telling)
    for talk, picture, hidden in ((telling, pictures[0], "call_1"), (other, pictures[1], "call_2")):
        talk.client.history.append({"role": "user", "content": [picture]})
        talk.play(answer(ours(hidden)), answer("A cat."))
    for talk, hidden in ((telling, "call_1"), (other, "call_2")):
        talk.client.ask("Sure?")
        talk.play(answer("Yes."))
        assert f'"{hidden}"' in talk.provider.requests[-1].body.decode()
        assert talk.recalled[-1] == 1


def _picture(client: Client, data: str) -> dict[str, Any]:
    url = f"data:image/png;base64,{data}"
    pictures: dict[str, dict[str, Any]] = {
        "chat": {"type": "image_url", "image_url": {"url": url}},
        "messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
        "responses": {"type": "input_image", "image_url": url},
    }
    return pictures[client.name]


# What does not count.


def test_instructions_tools_and_cache_breakpoints_may_change(telling: Talk) -> None:
    telling.ask("Go.", answer("One. ", ours("call_1")), answer("Two."))
    if telling.client.name != "messages":
        telling.client.history.insert(0, {"role": "system", "content": "It is Friday."})
    else:
        blocks = [{"type": "text", "text": "Go.", "cache_control": {"type": "ephemeral"}}]
        telling.client.history[0]["content"] = blocks
    telling.client.tool = lambda name: type(telling.client).tool(telling.client, f"new_{name}")  # type: ignore[method-assign]
    telling.ask("Sure?", answer("Yes."))

    assert telling.recalled[-1] == 1
    assert ("result", "call_1", "time for call_1{}") in telling.told


def test_without_our_tools_nothing_is_put_back(telling: Talk) -> None:
    telling.ask("Go.", answer("One. ", ours("call_1")), answer("Two."))
    telling.tools = ()
    telling.ask("Sure?", answer("Yes."))

    assert telling.recalled[-1] == 0
    assert telling.told_raw == telling.client.sent()[:-1]


def test_nothing_is_kept_where_nothing_was_looked_up(talk: Talk) -> None:
    talk.client.ask("Go.")
    talk.play(answer("One. ", ours("call_1")), answer("Two."), remembering=False)

    assert talk.recall.kept == {}
