"""What a stream of Responses holds besides words: calls, tokens, thoughts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.errors import UpstreamError
from aibridge.model import ThoughtRecord, TokenUsage, ToolUsage
from tests.dialects.behaviours import shows
from tests.dialects.playing import TIME
from tests.dialects.responses import (
    VOICE,
    call,
    hear,
    last,
    lifecycle,
    reasoning,
    response,
    said,
    stream,
    told,
    usage,
    words,
)
from tests.dialects.wire import dump, event
from tests.twins import Answer

OURS = call("call-1", TIME.name)
ANSWER = told(words("Five.", "msg-2"), id="resp-2", usage=usage(30, 7))
DONE = b"data: [DONE]\n\n"


@shows("hosted tools")
def test_the_providers_own_tools_are_recorded_by_type_and_item_id() -> None:
    hosted: list[dict[str, Any]] = [
        {"id": "ws-1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"id": "fs-1", "type": "file_search_call", "queries": ["a"], "results": None, "status": "completed"},
        {"id": "ci-1", "type": "code_interpreter_call", "code": "1+1", "container_id": "c"},
        {"id": "mcp-1", "type": "mcp_call", "name": "f", "arguments": "{}", "server_label": "s", "output": "o"},
        {"id": "ts-1", "type": "tool_search_call", "execution": "server", "call_id": "c", "arguments": {"q": 1}},
    ]
    played = hear(told(*hosted, OURS), ANSWER)

    assert [(record.tool, record.call_id, record.injected) for record in played.of(ToolUsage)] == [
        ("web_search_call", "ws-1", False),
        ("file_search_call", "fs-1", False),
        ("code_interpreter_call", "ci-1", False),
        ("mcp_call", "mcp-1", False),
        ("tool_search_call", "ts-1", False),
        ("time", "call-1", True),
    ]
    assert [json.loads(record.input) for record in played.of(ToolUsage)] == [
        {"action": {"type": "search", "query": "x"}},
        {"queries": ["a"]},
        {"code": "1+1"},
        {"arguments": "{}", "name": "f", "server_label": "s"},
        {"arguments": {"q": 1}},
        {},
    ]
    assert VOICE.heard(played.body, streaming=True).text == "Five."  # none of them ended the turn


@shows("mixed")
@pytest.mark.parametrize(
    "theirs",
    [
        {"id": "cu-1", "type": "computer_call", "call_id": "c", "action": {"type": "click"}},
        {"id": "ls-1", "type": "local_shell_call", "call_id": "c", "action": {}},
        {"id": "sh-1", "type": "shell_call", "call_id": "c", "action": {}},
        {"id": "ap-1", "type": "apply_patch_call", "call_id": "c", "operation": {}},
        {"id": "mr-1", "type": "mcp_approval_request", "name": "f", "arguments": "{}", "server_label": "s"},
        {"id": "ts-1", "type": "tool_search_call", "execution": "client", "call_id": "c", "arguments": {}},
        {"id": "ct-1", "type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls"},
        {"id": "fc-1", "type": "function_call", "call_id": "c", "name": "edit", "arguments": "{}"},
    ],
    ids=lambda item: item["type"],
)
def test_a_call_that_waits_for_the_client_ends_the_turn(theirs: dict[str, Any]) -> None:
    played = hear(told(OURS, theirs))

    assert len(played.requests) == 1
    assert played.ran == [[("time", {})]]
    assert last(played)["output"] == [theirs]
    [record, _] = played.of(ToolUsage)
    assert record.call_id == theirs.get("call_id", "mr-1")  # by which the client's answer will name it


@shows("custom calls")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_a_custom_call_is_the_clients_even_under_the_name_of_ours(tools: tuple[Any, ...]) -> None:
    item = {"id": "ct-1", "type": "custom_tool_call", "call_id": "c", "name": TIME.name, "input": 'ls "x"'}
    played = hear(told(item), tools=tools)

    [record] = played.of(ToolUsage)
    assert (record.tool, record.call_id, record.input) == (TIME.name, "c", b'"ls \\"x\\""')
    assert played.toolbox.calls == []
    assert last(played)["output"] == [item]


@shows("exact names")
def test_a_name_within_a_namespace_is_another_name() -> None:
    item = call("call-1", TIME.name, namespace="crm")
    played = hear(told(item))

    assert played.toolbox.calls == []
    assert last(played)["output"] == [item]


def test_arguments_that_are_sent_as_an_object_are_understood() -> None:
    played = hear(stream(*lifecycle(response({**OURS, "arguments": {"zone": "UTC"}}))), ANSWER)
    assert played.ran == [[("time", {"zone": "UTC"})]]


@pytest.mark.parametrize("output", [[], None])
def test_an_end_that_does_not_repeat_the_output(output: Any) -> None:
    """As some do for requests that they don't store."""
    rounds = [
        stream(*lifecycle(response(item, id=id_), said(0, item))[:-1])
        + event(
            {"type": "response.completed", "sequence_number": 99, "response": {**response(id=id_), "output": output}}
        )
        for id_, item in (("resp-1", OURS), ("resp-2", words("Five.")))
    ]
    played = hear(*rounds)

    assert played.ran == [[("time", {})]]
    assert json.loads(played.requests[1])["input"][1:] == [
        OURS,
        {"type": "function_call_output", "call_id": "call-1", "output": "17:00"},
    ]
    assert last(played)["output"] == output


def test_an_end_that_knows_of_no_output_is_left_so() -> None:
    whole = response(words("Five.", "msg-2"), id="resp-2")
    end = {key: value for key, value in whole.items() if key != "output"}
    events = lifecycle(whole, said(0, whole["output"][0]))[:-1]
    played = hear(told(words("Look. "), OURS), stream(*events, {"type": "response.completed", "response": end}))

    assert "output" not in last(played)
    assert last(played)["id"] == "resp-1"


def test_calls_that_only_the_end_tells() -> None:
    played = hear(stream(*lifecycle(response(OURS))), ANSWER)
    assert played.ran == [[("time", {})]]


@pytest.mark.parametrize("output", [[], [OURS]])
def test_an_item_that_is_never_called_done_is_whole_at_the_end(output: list[Any]) -> None:
    values = [
        value
        for value in said(0, call("call-1", TIME.name, '{"z":1}'))
        if "item" not in value or "added" in value["type"]
    ]
    whole = response(*[{**item, "arguments": '{"z":1}'} for item in output])
    played = hear(stream(*lifecycle(whole, values)), ANSWER)

    assert played.ran == [[("time", {"z": 1})]]
    assert json.loads(played.requests[1])["input"][1]["arguments"] == '{"z":1}'


def test_words_that_are_never_called_done_are_whole_at_the_end() -> None:
    look = words("Look. ")
    events = lifecycle(response(look, OURS), said(0, look)[:-1], said(1, OURS))

    assert last(hear(stream(*events), ANSWER))["output"] == [look, words("Five.", "msg-2")]


@pytest.mark.parametrize("name", ["edit", TIME.name])
def test_a_call_that_is_cut_is_on_record_with_what_came_of_it(name: str) -> None:
    sent = told(call("call-1", name, '{"a": "b c"}'))
    half = sent[: sent.rindex(b"event: response.function_call_arguments.delta")]
    [record] = hear(Answer([half], cut=UpstreamError("reset"))).of(ToolUsage)

    assert json.loads(record.input) == '{"a": '


@pytest.mark.parametrize("shape", [None, 7, "x", [], ["a"], {}])
@pytest.mark.parametrize(
    "value",
    [
        {"type": "X"},
        {"type": "response.created", "response": "X"},
        {"type": "response.output_item.added", "output_index": "X", "item": {"type": "message"}},
        {"type": "response.output_item.done", "output_index": 5, "item": "X"},
        {"type": "response.output_item.done", "output_index": 5, "item": {"id": "i", "type": "X", "content": "X"}},
        {
            "type": "response.output_item.done",
            "output_index": 5,
            "item": {"id": "i", "type": "function_call", "name": "X"},
        },
        {
            "type": "response.output_item.done",
            "output_index": 5,
            "item": {"id": "i", "type": "reasoning", "summary": "X"},
        },
        {"type": "response.output_text.delta", "output_index": 0, "delta": "X"},
        {"type": "response.output_text.delta", "output_index": 9, "delta": "X"},
        {"type": "novel", "sequence_number": "X"},
        {"output_index": "X"},
    ],
)
def test_events_of_odd_shapes_do_no_harm(value: dict[str, Any], shape: Any) -> None:
    odd = json.loads(dump(value).replace(b'"X"', dump(shape)))
    values = lifecycle(response(words("Hi.")), said(0, words("Hi.")))
    played = hear(stream(*values[:3]) + b"data: " + dump(odd) + b"\n\n" + stream(*values[3:]))

    assert played.outcome.status == "completed"
    assert b'"delta":"Hi."' in played.body


# Usage and thoughts.


@shows("response tokens")
@pytest.mark.parametrize(
    ("said_of_tokens", "expected", "extra"),
    [
        (
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 30},
                "output_tokens": 50,
                "output_tokens_details": {"reasoning_tokens": 20},
                "total_tokens": 150,
            },
            (70, 30, 50),
            {"output_reasoning": 20, "total_tokens": 150},
        ),
        ({"input_tokens": 3, "input_tokens_details": {"cached_tokens": 9}, "output_tokens": 1}, (0, 9, 1), {}),
        ({"input_tokens": "3", "input_tokens_details": [], "output_tokens_details": {}}, (0, 0, 0), {}),
        ({"input_tokens": True, "output_tokens": 2.5, "total_tokens": None}, (0, 0, 0), {}),
        (
            {"output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 0},
            (0, 0, 0),
            {"output_reasoning": 0, "total_tokens": 0},
        ),
        ({}, (0, 0, 0), {}),
    ],
)
def test_tokens_for_the_record(said_of_tokens: Any, expected: tuple[int, int, int], extra: dict[str, int]) -> None:
    [record] = hear(told(words("Hi."), usage=said_of_tokens)).of(TokenUsage)

    assert (record.input, record.cache_read, record.output) == expected
    assert (record.cache_write, record.extra) == (0, extra)


@shows("usage sum")
@pytest.mark.parametrize("silent", [0, 1])
def test_a_round_without_usage_does_not_lose_that_of_the_other(silent: int) -> None:
    usages = [None if at == silent else usage(10, 5) for at in (0, 1)]
    played = hear(told(OURS, usage=usages[0]), told(words("Five."), usage=usages[1], id="resp-2"))

    assert last(played)["usage"] == usage(10, 5)
    assert [("estimated" in record.extra) for record in played.of(TokenUsage)] == [silent == 0, silent == 1]


@shows("one token record")
def test_a_provider_that_says_nothing_of_tokens_is_estimated() -> None:
    item = words("x" * 400)
    played = hear(told(item, usage=None))

    [record] = played.of(TokenUsage)
    assert record.input == len(played.requests[0]) // 4
    assert (record.output, record.extra) == (len(dump(item)) // 4, {"estimated": True})
    assert last(played)["usage"] is None


@shows("one token record")
def test_of_an_item_that_is_cut_what_came_of_it_is_estimated() -> None:
    sent = told(words("Hello " + "x" * 4000))
    cut = Answer([sent[: sent.index(b"event: response.output_text.done")]], cut=UpstreamError("reset"))

    [record] = hear(cut).of(TokenUsage)
    assert 1000 < record.output < 1100
    assert record.extra == {"estimated": True}


@shows("one token record")
def test_nothing_is_estimated_twice() -> None:
    item = words("Hello " + "x" * 4000)
    done = stream(*lifecycle(response(), said(0, item))[:-1])
    never_done = stream(*lifecycle(response(item, usage=None), said(0, item)[:-1]))

    for answer in (Answer([done], cut=UpstreamError("reset")), never_done):
        [record] = hear(answer).of(TokenUsage)
        assert 1000 < record.output < 1100


@shows("one token record")
def test_a_response_that_has_only_begun_charged_nothing() -> None:
    begun = Answer([stream(*lifecycle(response())[:2])], cut=UpstreamError("reset"))
    [record] = hear(begun).of(TokenUsage)

    assert (record.response_id, record.input, record.output, record.extra) == ("resp-1", 0, 0, {"partial": True})


@shows("one token record")
def test_the_tokens_of_a_response_that_failed_are_recorded() -> None:
    error = {"code": "server_error", "message": "boom"}
    played = hear(told(status="failed", error=error, usage=usage(3, 4)))

    [record] = played.of(TokenUsage)
    assert (record.input, record.output) == (3, 4)


@shows("summaries")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_summaries_and_commentary_are_recorded(tools: tuple[Any, ...]) -> None:
    items = [
        reasoning("First.", "", "Second."),
        words("Let me look.", phase="commentary"),
        words("", "msg-2", phase="commentary"),
        words("Five.", "msg-3", phase="final_answer"),
    ]
    played = hear(told(*items), tools=tools)

    assert [(thought.content, thought.source) for thought in played.of(ThoughtRecord)] == [
        ("First.", "reasoning_summary"),
        ("Second.", "reasoning_summary"),
        ("Let me look.", "commentary"),
    ]


@shows("summaries")
def test_the_thoughts_of_hidden_rounds_are_recorded_and_shown() -> None:
    played = hear(told(reasoning("Hm."), OURS), told(reasoning("Ah.", id="rs-2"), words("Five."), id="resp-2"))

    assert [thought.content for thought in played.of(ThoughtRecord)] == ["Hm.", "Ah."]
    assert VOICE.heard(played.body, streaming=True).thought == "Hm.Ah."
