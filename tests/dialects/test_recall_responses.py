"""Hidden turns in what Responses alone have: references, stored responses, conversations, encrypted reasoning."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from aibridge.dialects.responses import Responses
from aibridge.dialects.responses.history import response_key, stored_id
from aibridge.model import HiddenTurn
from aibridge.testing.answers import web_search
from aibridge.testing.api import answer
from tests.dialects.playing import CITY, TIME, UUID, Stage, perform
from tests.dialects.remembering import ChainedClient, ConversingClient, ResponsesClient, Talk, hm, ours, theirs
from tests.dialects.wire import dump
from tests.twins import Answer

Item = dict[str, Any]

USER = {"role": "user", "content": "What time is it?"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "17:00"}


def call(id_: str, name: str, arguments: str = "{}", **members: Any) -> Item:
    return {"type": "function_call", "id": f"fc_{id_}", "call_id": id_, "name": name, "arguments": arguments, **members}


def words(text: str) -> Item:
    return {
        "type": "message",
        "id": f"msg_{text}",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


OURS, THEIRS = call("call_1", TIME.name), call("call_2", "edit_file")
MINE = {"type": "function_call_output", "call_id": "call_2", "output": "edited"}


def response(*items: Item, **members: Any) -> bytes:
    return dump({"id": "resp_1", "object": "response", "status": "completed", "output": list(items), **members})


def opened(*items: Item, **members: Any) -> Responses:
    return Responses(dump({"model": "m", "input": list(items), **members}), id=UUID, tools=[TIME, CITY])


def kept(*rounds: bytes, store: bool = True, **members: Any) -> list[HiddenTurn]:
    """What is kept of a turn with these rounds."""
    exchange = opened(USER, store=store, **members)
    exchange.lookups()
    return perform(Stage(exchange, [Answer([data]) for data in rounds], [TIME, CITY])).kept


def told(turns: Iterable[HiddenTurn], exchange: Responses) -> Any:
    """What the provider is told when the client goes on like this; at least one turn must be found."""
    wanted = set(exchange.lookups())
    exchange.restore([turn for turn in turns if wanted & set(turn.keys)])
    assert exchange.recalled
    return json.loads(exchange.request())


# Items.


def test_reasoning_that_nobody_could_read_again_is_left_out() -> None:
    bare = {"type": "reasoning", "id": "rs_1", "summary": []}
    sealed = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "…"}
    turns = kept(response(bare, OURS), response(sealed, bare, words("Done.")), store=False)

    for mine in ([bare, sealed, bare, words("Done.")], [sealed, words("Done.")], [words("Done.")]):
        assert told(turns, opened(USER, *mine, store=False))["input"] == [USER, OURS, RESULT, sealed, words("Done.")]


def test_a_stored_one_comes_back() -> None:
    bare = {"type": "reasoning", "id": "rs_1", "summary": []}
    turns = kept(response(bare, OURS), response(words("Done.")))

    assert told(turns, opened(USER, words("Done.")))["input"] == [USER, bare, OURS, RESULT, words("Done.")]


def test_the_clients_items_stay_as_it_sends_them() -> None:
    [turn] = kept(response(words("Look."), OURS, THEIRS))
    short, bare = {"role": "assistant", "content": "Look."}, {**THEIRS, "status": None}

    assert told([turn], opened(USER, short, bare, MINE))["input"] == [USER, short, OURS, bare, RESULT, MINE]


@pytest.mark.parametrize("streaming", [True, False])
def test_a_search_of_the_providers_own_stands_where_it_stood(streaming: bool) -> None:
    talk = Talk(ResponsesClient(), streaming)
    talk.client.ask("Go.")
    talk.play(answer(hm("a"), web_search("noon"), ours("call_1")), answer("Done."))
    talk.client.history = [{**item, "id": None} for item in talk.client.history]
    talk.client.ask("Sure?")
    talk.play(answer("Yes."))

    kinds = [item.get("type", "message") for item in talk.told_raw]
    assert kinds == [
        "message",
        "reasoning",
        "web_search_call",
        "function_call",
        "function_call_output",
        *["message"] * 2,
    ]


def test_a_custom_tool_of_the_clients_beside_ours() -> None:
    custom = {"type": "custom_tool_call", "call_id": "call_2", "name": "grep", "input": "a b"}
    found = {"type": "custom_tool_call_output", "call_id": "call_2", "output": "found"}
    [turn] = kept(response(custom, OURS))

    assert told([turn], opened(USER, custom, found))["input"] == [USER, custom, OURS, found, RESULT]


def test_an_answer_with_results_of_the_providers_own_is_not_known_by_its_items() -> None:
    ran = {"type": "shell_call_output", "call_id": "sh_1", "output": []}
    shell = {"type": "shell_call", "call_id": "sh_1", "action": {}}

    assert kept(response(OURS), response(shell, ran, words("Done.")), store=False) == []


def test_a_compacted_history_is_another_for_each_compaction() -> None:
    def compaction(text: str) -> Item:
        return {"type": "compaction", "encrypted_content": text}

    keys = [opened(compaction(text), USER, words("Done.")).lookups() for text in ("a", "b")]
    assert keys[0] != keys[1]


def test_an_approval_ends_an_answer() -> None:
    asked = {"type": "mcp_approval_request", "id": "mcpr_1", "name": "x", "arguments": "{}"}
    given = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}

    assert len(opened(USER, asked, given, words("Done.")).lookups()) == 2


@pytest.mark.parametrize("lost", ["call_id", "id"])
def test_calls_that_nobody_can_tell_apart_are_not_kept(lost: str) -> None:
    twice = {**THEIRS, "name": "run"}
    turns = kept(response(OURS, THEIRS, twice if lost == "call_id" else words("Both.")))

    assert bool(turns) == (lost == "id")


# Stored responses.


def test_a_response_of_several_rounds_is_known_by_its_last() -> None:
    turns = kept(response(OURS, id="resp_1"), response(words("Done."), id="resp_2"))
    again = told(turns, opened(USER, previous_response_id="resp_1"))

    assert again["previous_response_id"] == "resp_2"
    assert again["input"] == [USER]
    assert [stored_id(turn) for turn in turns if response_key("resp_1") in turn.keys] == ["resp_2"]


def test_a_string_stays_a_string_where_nothing_is_added_to_it() -> None:
    turns = kept(response(OURS, id="resp_1"), response(words("Done."), id="resp_2"))
    body = dump({"model": "m", "input": "Sure?", "previous_response_id": "resp_1"})

    assert told(turns, Responses(body, id=UUID, tools=[TIME]))["input"] == "Sure?"


def test_its_id_and_its_results_are_known_without_tools_too() -> None:
    turns = kept(response(THEIRS, OURS, id="resp_1"))
    body = dump({"model": "m", "input": [MINE, USER], "previous_response_id": "resp_1"})
    exchange = Responses(body, id=UUID, tools=[])

    assert told(turns, exchange)["input"] == [MINE, RESULT, USER]
    assert exchange.hidden() is None


def test_a_response_that_is_not_stored_is_not_known_by_an_id() -> None:
    [turn] = kept(response(OURS), response(words("Done.")), store=False)
    assert response_key("resp_1") not in turn.keys


def test_a_response_without_an_id_is_not_known_by_one() -> None:
    [turn] = kept(response(OURS, id=None), response(words("Done."), id=None))

    assert stored_id(turn) == ""
    assert response_key("") not in turn.keys


def test_a_response_whose_last_round_has_no_id_is_named_as_the_client_names_it() -> None:
    turns = kept(response(OURS, id="resp_1"), response(words("Done."), id=None))

    assert told(turns, opened(USER, previous_response_id="resp_1"))["previous_response_id"] == "resp_1"


def test_what_follows_one_response_does_not_follow_another() -> None:
    turns = kept(response(OURS, id="resp_2"), response(words("Done."), id="resp_3"), previous_response_id="resp_1")
    pinned = (USER, words("Done."), USER)
    keys = {key for turn in turns for key in turn.keys}

    assert keys & set(opened(*pinned, previous_response_id="resp_1").lookups())
    assert not keys & set(opened(*pinned, previous_response_id="resp_0").lookups())
    assert not keys & set(opened(*pinned).lookups())


def test_a_chain_may_fork() -> None:
    talk = Talk(ChainedClient(), streaming=False)
    talk.ask("Go.", answer(ours("call_1")), answer("Done."))
    assert isinstance(talk.client, ChainedClient)
    first, story = talk.client.previous, list(talk.story)
    for name in ("left", "right"):
        talk.client.previous, talk.story = first, list(story)
        talk.ask(name, answer(ours(f"call_{name}"), theirs("call_2")))
        talk.answer([("call_2", "edited")], answer("Done."))
        assert talk.told == talk.story[: talk.answered_at]


# Conversations.


def test_a_conversation_has_all_but_the_results_it_waits_for() -> None:
    talk = Talk(ConversingClient(), streaming=True)
    talk.ask("Go.", answer(ours("call_1")), answer("One."))
    talk.ask("Edit.", answer(ours("call_2"), theirs("call_3")))
    talk.answer([("call_3", "edited")], answer("Done."))
    talk.ask("Sure?", answer("Yes."))

    talk.ask("Again.", answer(ours("call_4")), answer(theirs("call_5")))
    talk.answer([("call_5", "edited")], answer("Done."))

    assert talk.recalled == [0, 0, 1, 0, 0, 0]
    assert talk.told == talk.story[: talk.answered_at]


def test_conversations_with_the_same_call_ids_are_told_apart() -> None:
    [turn] = kept(response(THEIRS, OURS), conversation="conv_1")
    assert set(opened(MINE, conversation={"id": "conv_1"}).lookups()) & set(turn.keys)
    assert not set(opened(MINE, conversation="conv_2").lookups()) & set(turn.keys)
