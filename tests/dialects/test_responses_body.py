"""Responses as one body: what providers send, and what the client gets of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.errors import UpstreamError
from aibridge.model import Head, ThoughtRecord, TokenUsage, ToolUsage
from tests.dialects.behaviours import shows
from tests.dialects.playing import CITY, TIME, Played, play
from tests.dialects.responses import ResponsesVoice, call, reasoning, response, usage, words
from tests.dialects.wire import dump
from tests.twins import Answer

VOICE = ResponsesVoice()
OURS, THEIRS = call("call-1", TIME.name), call("call-3", "edit", '{"a":1}')
CALL = dump(response(words("Look. "), OURS, usage=usage(10, 5)))
ANSWER = response(words("Five.", "msg-2"), id="resp-2", usage=usage(30, 7))
ECHO = [VOICE.tool("edit"), {"type": "function", "name": TIME.name}, {"type": "custom", "name": TIME.name}]


def hear(*rounds: bytes | Answer, **how: Any) -> Played:
    return play(VOICE, VOICE.request(streaming=False), rounds, **how)


def answer(played: Played) -> Any:
    return json.loads(played.body)


@shows("untouched")
@pytest.mark.parametrize("size", [0, 7])
@pytest.mark.parametrize(
    "body",
    [
        b'{ "id" : "resp-1",\n "output":[ ], "f":1.50, "usage":{"input_tokens":3,"x":1E2}, "x":"caf\\u00e9"} \n',
        b'{"output":[{"type":"message","content":[{"text":"half \\ud83d"}]}],"x":NaN}',
        b'{"error":{"message":"boom"}, "output":[], "status":"failed"}',
        b' {"error" : {"message":"boom"}}',
    ],
)
def test_with_nothing_injected_every_byte_passes(body: bytes, size: int) -> None:
    assert hear(body, tools=(), size=size).body == body


@shows("one lifecycle", "usage sum")
def test_all_rounds_are_one_response() -> None:
    second = response(reasoning("Hm."), call("call-2", CITY.name), id="resp-1b", usage=usage(20, 6))
    played = hear(CALL, dump(second), dump({**ANSWER, "created_at": 9, "zeta": 1.5}))

    assert answer(played) == {
        **ANSWER,
        "id": "resp-1",
        "output": [words("Look. "), reasoning("Hm."), words("Five.", "msg-2")],
        "usage": usage(60, 18),
        "zeta": 1.5,
    }
    assert list(answer(played)) == [*ANSWER, "zeta"]


@shows("no echo")
@pytest.mark.parametrize("status", ["completed", "incomplete", "failed"])
@pytest.mark.parametrize("rounds", [1, 2])
def test_neither_tools_nor_output_show_what_was_injected(status: str, rounds: int) -> None:
    error = {"code": "x", "message": "boom"} if status == "failed" else None
    last = response(words("Hm."), OURS, status=status, tools=ECHO, error=error, id="resp-2")
    if status == "completed":
        last["output"].pop()
    played = hear(*[dump(response(OURS, tools=ECHO))] * (rounds - 1), dump(last))

    assert answer(played)["tools"] == [ECHO[0], ECHO[2]]
    assert answer(played)["output"] == [words("Hm.")]
    assert answer(played)["id"] == ("resp-1" if rounds == 2 else "resp-2")
    assert answer(played)["usage"] == (usage(20, 10) if rounds == 2 else usage())


@shows("mixed", "no echo")
def test_ours_are_taken_out_and_the_rest_is_left() -> None:
    theirs = {**THEIRS, "x": 1}
    output = [reasoning("Hm."), OURS, theirs, call("call-4", CITY.name)]
    played = hear(dump(response(*output)))

    assert answer(played)["output"] == [output[0], theirs]
    assert [record.tool for record in played.of(ToolUsage)] == ["edit", "time", "city"]


@shows("cut off", "no echo")
def test_a_call_in_an_incomplete_response_is_neither_run_nor_shown() -> None:
    played = hear(dump(response(words("Let"), OURS, status="incomplete")))

    assert [item["type"] for item in answer(played)["output"]] == ["message"]
    assert played.toolbox.calls == []
    assert played.outcome.status == "completed"


@shows("summaries", "hosted tools", "response tokens")
def test_what_is_recorded_of_a_body() -> None:
    tokens = usage(9, 5, input_tokens_details={"cached_tokens": 4}, output_tokens_details={"reasoning_tokens": 2})
    search = {"id": "ws-1", "type": "web_search_call", "action": {"query": "x"}}
    played = hear(dump(response(reasoning("Hm."), search, words("So.", phase="commentary"), usage=tokens)))

    assert [thought.content for thought in played.of(ThoughtRecord)] == ["Hm.", "So."]
    assert [(record.tool, record.call_id) for record in played.of(ToolUsage)] == [("web_search_call", "ws-1")]
    [record] = played.of(TokenUsage)
    assert (record.input, record.cache_read, record.output) == (5, 4, 5)
    assert record.extra == {"output_reasoning": 2, "total_tokens": 14}


@pytest.mark.parametrize("usages", [(None, None), ({}, {})])
def test_no_usage_at_all_is_left_as_it_is(usages: tuple[Any, Any]) -> None:
    first, last = (response(item, usage=tokens) for item, tokens in zip((OURS, words("Five.")), usages, strict=True))
    assert answer(hear(dump(first), dump(last)))["usage"] == usages[1]


@shows("in-band error")
@pytest.mark.parametrize(
    ("error", "message", "kind"),
    [
        ({"code": "server_error", "message": "the engine is overloaded"}, "the engine is overloaded", "overloaded"),
        (None, "the provider failed to answer", "unknown"),
        ({"code": "rate limit"}, "the provider failed to answer", "rate_limited"),
    ],
)
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_a_response_that_failed(error: Any, message: str, kind: str, tools: tuple[Any, ...]) -> None:
    body = dump(response(OURS, status="failed", error=error, usage=usage(3, 4)))
    played = hear(body, tools=tools)

    assert (played.head.status, played.outcome.status) == (200, "failed")
    assert (played.outcome.error_message, played.outcome.error_type) == (message, kind)
    assert answer(played) == {**json.loads(body), "output": [] if tools else [OURS]}
    assert played.toolbox.calls == []
    [record] = played.of(TokenUsage)
    assert (record.input, record.output) == (3, 4)


@shows("in-band error")
@pytest.mark.parametrize(("error", "message"), [({"message": "boom"}, "boom"), ("boom", "boom")])
def test_an_error_in_a_body_that_claims_success_passes_as_it_came(error: Any, message: str) -> None:
    body = b' {"error" : %b}' % dump(error)
    played = hear(body)

    assert (played.head.status, played.body) == (200, body)
    assert (played.outcome.status, played.outcome.error_message) == ("failed", message)


@shows("cut")
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", CALL[:-1], b'{"id":"x"}', b'{"output":5}'])
def test_a_success_that_is_no_response_is_an_error(body: bytes) -> None:
    played = hear(body)

    assert played.head.status == 502
    assert answer(played)["error"]["message"].startswith("the provider's answer is no ")
    assert len(played.of(TokenUsage)) == 1


@shows("cut")
def test_an_answer_that_is_cut_is_an_error() -> None:
    played = hear(Answer([CALL], cut=UpstreamError("openai closed the connection")))

    assert (played.head.status, answer(played)["error"]["message"]) == (502, "openai closed the connection")
    assert played.toolbox.calls == []


@shows("body headers")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_the_head_goes_with_the_body(tools: tuple[Any, ...]) -> None:
    headers = ((b"content-type", b"application/json"), (b"content-length", b"999"), (b"x-request-id", b"r"))
    played = hear(Answer([dump(ANSWER)], 201, headers), tools=tools)

    assert played.head == Head(201, ((b"content-type", b"application/json"), (b"x-request-id", b"r")))


@pytest.mark.parametrize("item", [None, 7, "x", [], {}, {"type": []}, {"type": "reasoning"}, {"type": "function_call"}])
def test_items_of_odd_shapes_do_no_harm(item: Any) -> None:
    played = hear(dump(response(item, words("Hi."))))

    assert played.outcome.status == "completed"
    assert answer(played)["output"] == [item, words("Hi.")]
