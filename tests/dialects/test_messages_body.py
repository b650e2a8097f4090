"""Messages as one body: what providers send, and what the client gets of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.errors import UpstreamError
from aibridge.model import Head, ThoughtRecord, TokenUsage, ToolUsage
from tests.dialects.behaviours import shows
from tests.dialects.messages import MessagesVoice, message, usage, used
from tests.dialects.playing import CITY, TIME, UUID, Played, play
from tests.dialects.wire import dump
from tests.twins import Answer

VOICE = MessagesVoice()
OURS, THEIRS = used("call-1", TIME.name, {}), used("call-3", "edit", {"a": 1})
LOOK, FIVE = {"type": "text", "text": "Look. "}, {"type": "text", "text": "Five."}
CALL = dump(message(LOOK, OURS, stop="tool_use", usage=usage(10, 5)))
ANSWER = message(FIVE, stop="end_turn", id="resp-2", usage=usage(30, 7))


def hear(*rounds: bytes | Answer, **how: Any) -> Played:
    return play(VOICE, VOICE.request(streaming=False), rounds, **how)


def answer(played: Played) -> Any:
    return json.loads(played.body)


@shows("id swap")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_a_single_round_keeps_the_bytes_of_every_member_but_the_id(tools: tuple[Any, ...]) -> None:
    body = (
        b'{ "id" : "resp-1",\n "type":"message","content":[ {"type":"text","text":"caf\\u00e9"},'
        b' {"type":"tool_use","id":"c","name":"edit","input":{"f":1.50}}], "cost":0.00010,"usage":{"x":1E2}}'
    )
    assert hear(body, tools=tools, size=7).body == (
        b'{"id":"%b","type":"message","content":[ {"type":"text","text":"caf\\u00e9"},'
        b' {"type":"tool_use","id":"c","name":"edit","input":{"f":1.50}}],"cost":0.00010,"usage":{"x":1E2}}'
        % UUID.encode()
    )


@shows("usage sum", "stop reasons")
def test_all_rounds_are_one_message() -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "sig=="}
    second = message(thought, used("call-2", CITY.name, {}), stop="tool_use", usage=usage(20, 6))
    played = hear(CALL, dump(second), dump({**ANSWER, "zeta": 1.5}))

    assert answer(played) == {
        **ANSWER,
        "id": UUID,
        "content": [LOOK, thought, FIVE],
        "usage": usage(60, 18),
        "zeta": 1.5,
    }
    assert list(answer(played)) == [*ANSWER, "zeta"]


@shows("mixed")
def test_ours_are_taken_out_and_the_rest_is_left() -> None:
    theirs = {**THEIRS, "caller": {"type": "direct"}}
    played = hear(dump(message(LOOK, OURS, theirs, used("call-4", CITY.name, {}), stop="tool_use")))

    assert answer(played)["content"] == [LOOK, theirs]
    assert answer(played)["stop_reason"] == "tool_use"
    assert [record.tool for record in played.of(ToolUsage)] == ["edit", "time", "city"]


@shows("cut off")
def test_a_call_in_a_message_that_was_cut_off_is_neither_run_nor_shown() -> None:
    played = hear(dump(message(LOOK, OURS, stop="max_tokens")))

    assert (answer(played)["content"], answer(played)["stop_reason"]) == ([LOOK], "max_tokens")
    assert played.toolbox.calls == []


@shows("server tools", "thinking recorded", "cache tokens")
def test_what_is_recorded_of_a_body() -> None:
    content: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "server_tool_use", "id": "srv-1", "name": "web_search", "input": {"query": "x"}},
    ]
    tokens = usage(9, 5, cache_read_input_tokens=4, cache_creation_input_tokens=3)
    played = hear(dump(message(*content, stop="end_turn", usage=tokens)))

    assert [thought.content for thought in played.of(ThoughtRecord)] == ["Hm."]
    assert [(record.tool, record.call_id) for record in played.of(ToolUsage)] == [("web_search", "srv-1")]
    [record] = played.of(TokenUsage)
    assert (record.input, record.cache_read, record.cache_write, record.output) == (9, 4, 3, 5)


def test_no_usage_at_all_is_left_as_it_is() -> None:
    last = {key: value for key, value in ANSWER.items() if key != "usage"}
    played = hear(dump(message(OURS, stop="tool_use", usage=None)), dump(last))

    assert "usage" not in answer(played)
    assert [record.extra for record in played.of(TokenUsage)] == [{"estimated": True}] * 2


@shows("in-band error", "error form")
@pytest.mark.parametrize(
    ("error", "message", "kind"),
    [
        ({"error": {"type": "overloaded_error", "message": "Overloaded"}}, "Overloaded", "overloaded"),
        ({"error": {"type": "rate_limit_error"}}, "the provider answered with an error", "rate_limited"),
        ({}, "the provider answered with an error", "unknown"),
    ],
)
def test_an_error_in_a_body_that_claims_success_passes_as_it_came(error: Any, message: str, kind: str) -> None:
    body = b" " + dump({"type": "error", **error})
    played = hear(body)

    assert (played.head.status, played.body) == (200, body)
    assert (played.outcome.status, played.outcome.error_type) == ("failed", kind)
    assert played.outcome.error_message == message


@shows("cut")
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", CALL[:-1], b'{"id":"x"}', b'{"content":"x"}'])
def test_a_success_that_is_no_message_is_an_error(body: bytes) -> None:
    played = hear(body)

    assert played.head.status == 502
    assert answer(played)["type"] == "error"
    assert answer(played)["error"]["message"].startswith("the provider's answer is no ")
    assert len(played.of(TokenUsage)) == 1


@shows("cut")
def test_an_answer_that_is_cut_is_an_error() -> None:
    played = hear(Answer([CALL], cut=UpstreamError("anthropic closed the connection")))

    assert (played.head.status, answer(played)["error"]["message"]) == (502, "anthropic closed the connection")
    assert played.toolbox.calls == []


@shows("body headers")
def test_the_head_goes_with_the_body() -> None:
    headers = ((b"content-type", b"application/json"), (b"content-length", b"999"), (b"request-id", b"r"))
    played = hear(Answer([dump(ANSWER)], 201, headers))

    assert played.head == Head(201, ((b"content-type", b"application/json"), (b"request-id", b"r")))


@pytest.mark.parametrize("block", [None, 7, "x", [], {}, {"type": []}, {"type": "thinking"}, {"type": "tool_use"}])
def test_blocks_of_odd_shapes_do_no_harm(block: Any) -> None:
    played = hear(dump(message(block, FIVE)))

    assert played.outcome.status == "completed"
    assert answer(played)["content"] == [block, FIVE]
