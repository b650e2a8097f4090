"""Hidden turns in what Anthropic messages alone have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.dialects.messages import Messages
from aibridge.model import HiddenTurn, Image, Text, ToolResult
from aibridge.testing.answers import redacted_thought, web_search
from aibridge.testing.api import answer
from tests.dialects.messages import USER, message, used
from tests.dialects.playing import CITY, RESULTS, TIME, UUID, Stage, perform
from tests.dialects.remembering import MessagesClient, Talk, hm, ours, theirs
from tests.dialects.wire import dump
from tests.twins import Answer

Block = dict[str, Any]

OURS = used("call_1", TIME.name, {})
THEIRS = used("call_2", "edit_file", {"a": 1})
LOOK = {"type": "text", "text": "Look."}
DONE = {"type": "text", "text": "Done."}


def request(*messages: dict[str, Any]) -> bytes:
    return dump({"model": "m", "max_tokens": 9, "messages": [USER, *messages]})


def said(*content: Block) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def heard(*content: Block) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def result(id_: str, text: str) -> Block:
    return {"type": "tool_result", "tool_use_id": id_, "content": text}


def our_result(id_: str = "call_1", text: str = "17:00") -> Block:
    return {"type": "tool_result", "tool_use_id": id_, "content": [{"type": "text", "text": text}]}


def kept(*rounds: dict[str, Any], results: dict[str, ToolResult] | None = None) -> list[HiddenTurn]:
    """What is kept of a turn with these rounds."""
    exchange = Messages(request(), id=UUID, tools=[TIME, CITY])
    exchange.lookups()
    answers = [Answer([dump(one)]) for one in rounds]
    return perform(Stage(exchange, answers, [TIME, CITY], RESULTS | (results or {}))).kept


def told(turns: list[HiddenTurn], *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """What the provider is told when the client goes on with these messages; at least one turn must be found."""
    exchange = Messages(request(*messages), id=UUID, tools=[TIME, CITY])
    wanted = set(exchange.lookups())
    exchange.restore([turn for turn in turns if wanted & set(turn.keys)])
    assert exchange.recalled
    sent: list[dict[str, Any]] = json.loads(exchange.request())["messages"]
    return sent


def test_results_stand_together_before_whatever_else_the_client_says() -> None:
    turns = kept(message(LOOK, THEIRS, OURS, stop="tool_use"))
    note = {"type": "text", "text": "Hurry.", "cache_control": {"type": "ephemeral"}}
    mine = {**result("call_2", "edited"), "cache_control": {"type": "ephemeral"}}

    assert told(turns, said(LOOK, THEIRS), heard(mine, note)) == [
        USER,
        said(LOOK, THEIRS, OURS),
        heard(mine, our_result(), note),
    ]


def test_pictures_in_results_come_back() -> None:
    parts = (Text("Here:"), Image("image/png", "AAAA"), Image("image/tiff", "AAAA"))
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    words = [{"type": "text", "text": text} for text in ("Here:", "[image: image/tiff, 3 bytes]")]
    rounds = (message(OURS, stop="tool_use"), message(DONE, stop="end_turn"))
    turns = kept(*rounds, results={"time": ToolResult(parts)})

    whole = {"type": "tool_result", "tool_use_id": "call_1", "content": [words[0], picture, words[1]]}
    assert told(turns, said(DONE)) == [USER, said(OURS), heard(whole), said(DONE)]


def test_a_failure_is_marked_as_one() -> None:
    rounds = (message(OURS, stop="tool_use"), message(DONE, stop="end_turn"))
    turns = kept(*rounds, results={"time": ToolResult.failure("no clock")})

    assert told(turns, said(DONE))[2] == heard({**our_result(text="Error: no clock"), "is_error": True})


def test_blank_text_is_not_sent_back() -> None:
    blank = {"type": "text", "text": "\n\n"}
    turns = kept(message(blank, OURS, THEIRS, stop="tool_use"))

    for mine in (said(blank, THEIRS), said(THEIRS)):
        assert told(turns, mine, heard(result("call_2", "edited")))[1] == said(OURS, THEIRS)


def test_an_answer_that_ends_in_silence_leaves_no_message() -> None:
    turns = kept(message(LOOK, OURS, stop="tool_use"), message(stop="end_turn"))

    for mine in (said(LOOK), {"role": "assistant", "content": "Look."}):
        assert told(turns, mine, USER) == [USER, said(LOOK, OURS), heard(our_result()), USER]


def test_a_string_stays_a_string_where_nothing_is_missing_in_it() -> None:
    turns = kept(message(OURS, stop="tool_use"), message(DONE, stop="end_turn"))
    mine = {"role": "assistant", "content": "Done."}

    assert told(turns, mine)[3:] == [mine]


def test_the_clients_blocks_keep_what_it_put_on_them() -> None:
    marked = {**DONE, "cache_control": {"type": "ephemeral"}}
    turns = kept(message(LOOK, OURS, stop="tool_use"), message(DONE, stop="end_turn"))

    assert told(turns, said(LOOK, marked))[3] == said(marked)


@pytest.mark.parametrize("lost", [{"signature": ""}, {"data": None}])
def test_a_thought_that_lost_what_proves_it_is_told_as_it_was(lost: Block) -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "sig", "data": "…"}
    turns = kept(message(LOOK, OURS, stop="tool_use"), message(thought, DONE, stop="end_turn"))

    assert told(turns, said(LOOK, {**thought, **lost}, DONE))[3] == said(thought, DONE)


def test_a_paused_turn_goes_on_from_where_it_was() -> None:
    turns = kept(message(LOOK, OURS, stop="tool_use"), message(DONE, stop="pause_turn"))

    assert told(turns, said(LOOK, DONE)) == [USER, said(LOOK, OURS), heard(our_result()), said(DONE)]


def test_results_in_two_messages_are_left_to_the_provider() -> None:
    other = used("call_3", "run", {})
    [turn] = kept(message(OURS, THEIRS, other, stop="tool_use"))
    split = (heard(result("call_2", "edited")), heard(result("call_3", "ran")))
    exchange = Messages(request(said(THEIRS, other), *split), id=UUID, tools=[TIME])

    assert not set(exchange.lookups()) & set(turn.keys)


@pytest.mark.parametrize("streaming", [True, False])
def test_what_the_provider_ran_itself_and_what_it_hides_come_back(streaming: bool) -> None:
    talk = Talk(MessagesClient(), streaming)
    search = web_search("noon", ("Noon", "https://example.com"))
    talk.client.ask("Go.")
    talk.play(
        answer(redacted_thought(), search, "Look. ", ours("call_1")),
        answer(hm("b"), "Two. ", theirs("call_2"), ours("call_3")),
    )
    talk.client.answer(("call_2", "edited"))
    talk.play(answer("Done."))

    asked, *_ = talk.provider.requests[1].fields["messages"][1]["content"]
    kinds = [[block["type"] for block in one["content"]] for one in talk.provider.requests[-1].fields["messages"][1:]]
    assert asked["type"] == "redacted_thinking"
    assert kinds == [
        ["redacted_thinking", "server_tool_use", "web_search_tool_result", "text", "tool_use"],
        ["tool_result"],
        ["thinking", "text", "tool_use", "tool_use"],
        ["tool_result", "tool_result"],
    ]
    assert talk.provider.views[-1].continues(talk.provider.views[-2])


def test_an_instruction_within_the_conversation_does_not_count() -> None:
    turns = kept(message(OURS, stop="tool_use"), message(DONE, stop="end_turn"))
    told(turns, {"role": "system", "content": "Be brief."}, said(DONE))
