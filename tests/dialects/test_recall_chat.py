"""Hidden turns in what chat completions alone have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.dialects.chat_completions import ChatCompletions
from aibridge.model import HiddenTurn
from tests.dialects.chat import USER, calling, chunk, completion, function_call, piece, stream, words
from tests.dialects.playing import CITY, TIME, UUID, Stage, perform
from tests.dialects.wire import dump
from tests.twins import Answer

OURS = function_call("call_1", TIME.name)
THEIRS = function_call("call_2", "edit_file", '{"a":1}')
DONE = completion({"content": "Done."})


def request(*messages: dict[str, Any], streaming: bool = False, **members: Any) -> bytes:
    return dump({"model": "m", "messages": [USER, *messages], "stream": streaming, **members})


def kept(*rounds: bytes, streaming: bool = False) -> list[HiddenTurn]:
    """What is kept of a turn with these rounds."""
    exchange = ChatCompletions(request(streaming=streaming), id=UUID, tools=[TIME, CITY])
    exchange.lookups()
    return perform(Stage(exchange, [Answer([data]) for data in rounds], [TIME, CITY])).kept


def told(turns: list[HiddenTurn], *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """What the provider is told when the client goes on with these messages; at least one turn must be found."""
    exchange = ChatCompletions(request(*messages), id=UUID, tools=[TIME, CITY])
    wanted = set(exchange.lookups())
    exchange.restore([turn for turn in turns if wanted & set(turn.keys)])
    assert exchange.recalled
    sent: list[dict[str, Any]] = json.loads(exchange.request())["messages"]
    return sent


def result(id_: str, text: str = "17:00") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": text}


def test_the_clients_members_stay_where_they_are() -> None:
    turns = kept(dump(completion({"content": "Both.", "tool_calls": [OURS, THEIRS]}, "tool_calls")))
    mine = {
        "role": "assistant",
        "reasoning_content": "hm",
        "content": " Both.",
        "tool_calls": [{**THEIRS, "x": 1}],
        "y": 2,
    }

    assert told(turns, mine, result("call_2", "edited")) == [
        USER,
        {**mine, "tool_calls": [OURS, {**THEIRS, "x": 1}]},
        result("call_1"),
        result("call_2", "edited"),
    ]


def test_calls_that_the_provider_gave_no_id_are_ours_alone() -> None:
    nameless = {"type": "function", "function": {"name": TIME.name, "arguments": "{}"}}
    turns = kept(dump(completion({"content": None, "tool_calls": [nameless, THEIRS]}, "tool_calls")))
    _, asked, *results = told(turns, {"role": "assistant", "tool_calls": [THEIRS]}, result("call_2", "edited"))

    assert [call["id"] for call in asked["tool_calls"]] == ["call_resp-1_0", "call_2"]
    assert results == [result("call_resp-1_0"), result("call_2", "edited")]


def test_a_client_call_without_an_id_is_not_kept() -> None:
    nameless = {"type": "function", "function": {"name": "edit_file", "arguments": "{}"}}
    assert kept(dump(completion({"content": None, "tool_calls": [OURS, nameless]}, "tool_calls"))) == []


def test_a_call_of_a_custom_tool_stands_beside_ours() -> None:
    custom = {"id": "call_2", "type": "custom", "custom": {"name": "grep", "input": "a b"}}
    turns = kept(dump(completion({"content": None, "tool_calls": [OURS, custom]}, "tool_calls")))
    _, asked, *_ = told(turns, {"role": "assistant", "tool_calls": [custom]}, result("call_2", "found"))

    assert asked["tool_calls"] == [OURS, custom]


def test_a_padded_name_may_come_back_trimmed() -> None:
    chunks = [calling(piece(0, "call_1", TIME.name, "{}"), piece(1, "call_2", " edit_file ", ""))]
    turns = kept(stream(words("Both."), *chunks, chunk(finish="tool_calls")), streaming=True)

    assert told(turns, {"role": "assistant", "tool_calls": [function_call("call_2", "edit_file")]}, result("call_2"))


def test_an_answer_without_words_after_words_is_an_empty_one() -> None:
    rounds = (completion({"content": "Look.", "tool_calls": [OURS]}, "tool_calls"), completion({"content": None}))
    [turn] = kept(*map(dump, rounds))

    assert told([turn], {"role": "assistant", "content": "Look."})[-1] == {"role": "assistant", "content": ""}


def test_calls_without_words_of_their_own_stand_alone() -> None:
    rounds = (
        completion({"content": "Look.", "tool_calls": [OURS]}, "tool_calls"),
        completion({"content": None, "tool_calls": [THEIRS]}, "tool_calls"),
    )
    mine = {"role": "assistant", "content": "Look.", "tool_calls": [THEIRS]}

    assert told(kept(*map(dump, rounds)), mine, result("call_2"))[3] == {**mine, "content": None}


def test_an_answer_that_is_cut_off_is_kept_with_its_hidden_rounds() -> None:
    rounds = (
        completion({"content": None, "tool_calls": [OURS]}, "tool_calls"),
        completion({"content": "It is"}, "length"),
    )
    mine = {"role": "assistant", "content": "It is"}

    assert told(kept(*map(dump, rounds)), mine)[1:] == [
        {"role": "assistant", "content": None, "tool_calls": [OURS]},
        result("call_1"),
        mine,
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"role": "assistant", "content": None, "tool_calls": None},
        {"role": "assistant", "content": None, "tool_calls": "none"},
        {"role": "assistant", "content": None, "tool_calls": [3, {"id": ["x"]}, {"function": 3}]},
        {"role": "tool", "tool_call_id": {"a": 1}, "content": [{"type": "text"}]},
    ],
)
def test_odd_messages_are_left_to_the_provider(odd: dict[str, Any]) -> None:
    body = request(odd)
    exchange = ChatCompletions(body, id=UUID, tools=[TIME])
    exchange.lookups()

    assert json.loads(exchange.request())["messages"] == [USER, odd]
