"""Streams of Responses: what providers send, and what the client may see of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.errors import UpstreamError
from aibridge.model import ThoughtRecord, TokenUsage, ToolUsage
from tests.dialects.behaviours import shows
from tests.dialects.playing import CITY, TIME, Played, play
from tests.dialects.responses import (
    ResponsesVoice,
    call,
    lifecycle,
    numbered,
    reasoning,
    response,
    said,
    stream,
    told,
    usage,
    words,
)
from tests.dialects.wire import dump, event, values_of
from tests.twins import Answer

VOICE = ResponsesVoice()
OURS, THEIRS = call("call-1", TIME.name), call("call-3", "edit", '{"a":1}')
ANSWER = told(words("Five.", "msg-2"), id="resp-2", usage=usage(30, 7))
TOOLS = [
    VOICE.tool("edit"),
    {"type": "function", "name": TIME.name, "description": "", "parameters": {}, "strict": False},
    {"type": "namespace", "name": TIME.name, "tools": []},
    {"type": "function", "name": CITY.name},
    {"type": "web_search"},
    "odd",
]
DONE = b"data: [DONE]\n\n"


def hear(*rounds: bytes | Answer, **how: Any) -> Played:
    return play(VOICE, VOICE.request(streaming=True), rounds, **how)


def types_of(played: Played) -> list[str]:
    return [value["type"] for value in values_of(played.body)]


def last(played: Played) -> dict[str, Any]:
    """The response object of the terminal event."""
    whole: dict[str, Any] = values_of(played.body)[-1]["response"]
    return whole


# Where nothing is injected.


@shows("untouched")
@pytest.mark.parametrize("size", [0, 1, 7])
@pytest.mark.parametrize(
    "sent",
    [
        told(words("Hello there.")),
        told(words("Hi."), THEIRS).replace(b"\n", b"\r\n"),
        told(words("Hi.")).replace(b"\n", b"\r"),
        b"\xef\xbb\xbf: hello\n\n" + told(words("Hi.")),
        told(words("Hi."))[:-2],
        told(words("Hi.")) + b"\n\n \n: bye",
        b"data: {\n\ndata: \xff\n\nevent: x\n\nid: 7\nretry: 5\n\ndata:[1]\n\n" + told(words("Hi.")),
        told(words("Hi.")) + DONE + b'data: {"type":"late"}\n\n',
        told(words("Hi."), tools=TOOLS),
        told(words("Hi."), status="incomplete"),
        told(words("Hi."), status="failed", error={"code": "server_error", "message": "boom"}),
        event({"type": "error", "message": "boom", "sequence_number": 9}) + told(),
        b'data: {"type":"response.completed"}',
    ],
)
def test_with_nothing_injected_every_byte_passes(sent: bytes, size: int) -> None:
    played = hear(sent, tools=(), size=size)

    assert played.body == sent
    assert b"" not in played.client.writes
    assert len(played.records) >= 2


@shows("untouched", "cut")
@pytest.mark.parametrize("size", [0, 1])
def test_half_an_event_does_not_garble_our_error(size: int) -> None:
    sent = told(words("Hello there."))
    whole = sent[: sent.index(b"event: response.output_text.done")]
    played = hear(whole + b'event: response.output_text.done\ndata: {"type":"resp', tools=(), size=size)

    assert played.body.startswith(whole + b"event: error\n")
    assert VOICE.heard(played.body, streaming=True).error == (
        "the provider closed the stream before the answer was complete"
    )


def test_the_bytes_that_came_are_not_copied() -> None:
    sent = told(words("Hi."))
    assert hear(sent, tools=()).client.writes == [sent]


# One lifecycle.


@shows("one lifecycle", "no echo", "usage sum")
def test_three_rounds_are_one_response() -> None:
    first = told(reasoning("Hm."), words("One. "), OURS, tools=TOOLS, usage=usage(10, 5))
    second = told(call("call-2", CITY.name), id="resp-2", tools=TOOLS, created_at=9, usage=usage(20, 6))
    third = told(words("Three.", "msg-3"), id="resp-3", tools=TOOLS, created_at=9, usage=usage(30, 7))
    played = hear(first, second, third)

    values = values_of(played.body)
    assert types_of(played).count("response.created") == types_of(played).count("response.in_progress") == 1
    assert types_of(played).count("response.completed") == 1
    assert [value["sequence_number"] for value in values] == list(range(len(values)))
    assert {value["response"]["id"] for value in values if "response" in value} == {"resp-1"}
    assert {value["response"]["created_at"] for value in values if "response" in value} == {1763600000}
    added = [value for value in values if value["type"] == "response.output_item.added"]
    assert [(value["output_index"], value["item"]["type"]) for value in added] == [
        (0, "reasoning"),
        (1, "message"),
        (2, "message"),
    ]
    assert [item["id"] for item in last(played)["output"]] == ["rs-1", "msg-1", "msg-3"]
    assert last(played)["usage"] == usage(60, 18)
    assert b"bmcp_srv_city" not in played.body


@shows("no echo")
@pytest.mark.parametrize("status", ["completed", "incomplete", "failed"])
def test_the_echoed_tools_are_the_clients(status: str) -> None:
    error = {"code": "x", "message": "boom"} if status == "failed" else None
    played = hear(told(words("Hi."), status=status, tools=TOOLS, error=error))

    echoed = [value["response"]["tools"] for value in values_of(played.body) if "response" in value]
    assert echoed == [[TOOLS[0], TOOLS[2], TOOLS[4], TOOLS[5]]] * 3


def test_a_clients_tool_with_the_name_of_ours_stays_in_the_echo() -> None:
    members = {"tools": [VOICE.tool(TIME.name)]}
    played = play(VOICE, VOICE.request(streaming=True, **members), [told(words("Hi."), tools=TOOLS)])

    assert last(played)["tools"] == [TOOLS[0], TOOLS[1], TOOLS[2], TOOLS[4], TOOLS[5]]


@pytest.mark.parametrize("tools", [None, {"odd": 1}])
def test_an_echo_of_an_odd_shape_is_left_as_it_is(tools: Any) -> None:
    assert last(hear(told(words("Hi."), tools=tools)))["tools"] == tools


@shows("one lifecycle")
def test_what_is_said_of_the_clients_own_request_is_the_first_rounds() -> None:
    first = told(OURS, tool_choice="required", previous_response_id="resp-0")
    second = told(words("Five."), id="resp-2", tool_choice="auto", previous_response_id=None, model="gpt-y")
    whole = last(hear(first, second))

    assert (whole["id"], whole["tool_choice"], whole["previous_response_id"]) == ("resp-1", "required", "resp-0")
    assert whole["model"] == "gpt-y"


@shows("one lifecycle")
def test_events_of_which_nothing_changes_keep_their_bytes() -> None:
    item = words("Hi.", f=1.50, x="caf\\u00e9")
    events = [event(value) for value in numbered(lifecycle(response(item), said(0, item)))]
    odd = b'event: response.novel\ndata: { "type" : "response.novel", "f" : 1.50 }\n\n'
    played = hear(b"".join([*events[:3], b": note\n\n", odd, *events[3:]]))

    assert played.body == b"".join([*events[:3], b": note\n\n", odd, *events[3:]])


@shows("one lifecycle")
def test_in_a_mixed_round_the_clients_items_are_numbered_as_if_there_were_no_others() -> None:
    search = {"id": "ws-1", "type": "web_search_call", "status": "completed", "action": {"query": "x"}}
    played = hear(told(OURS, words("Both."), call("call-2", CITY.name), search, THEIRS))

    values = values_of(played.body)
    places = [(value["item"]["id"], value["output_index"]) for value in values if "item" in value]
    assert places == [(id_, at) for at, id_ in enumerate(["msg-1", "ws-1", "fc-call-3"]) for _ in range(2)]
    assert [value["sequence_number"] for value in values] == list(range(len(values)))
    assert [item["id"] for item in last(played)["output"]] == ["msg-1", "ws-1", "fc-call-3"]
    assert b"bmcp" not in played.body
    assert last(played)["usage"] == usage()


def test_sequence_numbers_go_on_from_the_providers_first() -> None:
    values = [
        {**value, "sequence_number": number} for number, value in enumerate(lifecycle(response(OURS), said(0, OURS)), 7)
    ]
    played = hear(b"".join(map(event, values)), ANSWER)

    shown = values_of(played.body)
    assert [value["sequence_number"] for value in shown] == list(range(7, 7 + len(shown)))


def test_where_a_provider_numbers_nothing_nothing_is_numbered() -> None:
    rounds = [
        b"".join(map(event, lifecycle(response(item, id=id_), said(0, item))))
        for id_, item in (("resp-1", OURS), ("resp-2", words("Five.")))
    ]
    played = hear(*rounds)

    assert not [value for value in values_of(played.body) if "sequence_number" in value]
    assert VOICE.heard(played.body, streaming=True).text == "Five."


@shows("live")
def test_what_the_model_says_goes_out_before_its_round_is_over() -> None:
    first = told(words("Let me look."), OURS)
    at = first.index(b"event: response.output_text.done")
    played = hear(Answer([first[:at], first[at:]]), ANSWER)

    assert b'"delta":"me look."' in played.client.writes[0]
    assert played.timeline.index("send", 2) < played.timeline.index("call")


def test_a_response_that_was_queued_first() -> None:
    whole = response(words("Hi."))
    begun = {"type": "response.queued", "response": {**whole, "output": [], "tools": TOOLS}}
    values = lifecycle(whole, said(0, whole["output"][0]))
    played = hear(stream(values[0], begun, *values[1:]), tools=(TIME,))

    assert types_of(played)[:3] == ["response.created", "response.queued", "response.in_progress"]
    assert b"bmcp_srv_time" not in played.body.replace(dump(TOOLS[2]), b"")


# Calls.


@shows("hosted tools")
def test_the_providers_own_tools_are_recorded_by_type_and_item_id() -> None:
    hosted: list[dict[str, Any]] = [
        {"id": "ws-1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"id": "fs-1", "type": "file_search_call", "queries": ["a"], "results": None, "status": "completed"},
        {"id": "ci-1", "type": "code_interpreter_call", "code": "1+1", "container_id": "c"},
        {"id": "mcp-1", "type": "mcp_call", "name": "f", "arguments": "{}", "server_label": "s", "output": "o"},
        {"id": "ts-1", "type": "tool_search_call", "execution": "server", "call_id": None, "arguments": {"q": 1}},
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
    assert len(played.of(ToolUsage)) == 2


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


# The end.


@shows("late events")
@pytest.mark.parametrize("late", [DONE, b": bye\n\n", b'data: {"type":"response.late"}\n\n'])
def test_what_comes_behind_the_end_goes_out_behind_it(late: bytes) -> None:
    played = hear(told(words("Hi.")) + late)

    assert played.body.endswith(late)
    assert values_of(played.body.removesuffix(late))[-1]["type"] == "response.completed"


@shows("late events")
def test_what_comes_behind_the_end_of_a_hidden_round_is_hidden() -> None:
    played = hear(told(OURS) + DONE, ANSWER)

    assert b"[DONE]" not in played.body
    assert VOICE.heard(played.body, streaming=True).text == "Five."


@shows("cut off")
@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_an_incomplete_response_ends_as_the_provider_ended_it(reason: str) -> None:
    played = hear(told(words("Let"), OURS, status="incomplete", incomplete_details={"reason": reason}, tools=TOOLS))

    assert types_of(played)[-1] == "response.incomplete"
    assert last(played)["incomplete_details"] == {"reason": reason}
    assert [item["type"] for item in last(played)["output"]] == ["message"]
    assert played.toolbox.calls == []
    assert played.outcome.status == "completed"


@shows("in-band error", "no echo")
@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("announced", [True, False])
def test_a_response_that_failed_is_told_once_and_shows_nothing_of_ours(rounds: int, announced: bool) -> None:
    error = {"code": "server_error", "message": "the engine is overloaded"}
    whole = response(words("Hm.", "msg-9"), OURS, status="failed", error=error, id="resp-9", tools=TOOLS)
    events = lifecycle(whole, said(0, whole["output"][0]), said(1, OURS))
    if announced:
        events.insert(-1, {"type": "error", **error, "param": None})
    played = hear(*[told(words("Look. "), OURS)] * (rounds - 1), stream(*events))

    assert types_of(played).count("error") == announced
    assert types_of(played)[-1] == "response.failed"
    assert last(played)["id"] == ("resp-1" if rounds == 2 else "resp-9")
    assert [item["id"] for item in last(played)["output"]] == ["msg-1"] * (rounds - 1) + ["msg-9"]
    assert b"bmcp_srv_city" not in played.body
    assert (played.outcome.status, played.outcome.error_type) == ("failed", "overloaded")
    assert played.outcome.error_message == "the engine is overloaded"
    assert len(played.toolbox.calls) == rounds - 1


@shows("in-band error")
@pytest.mark.parametrize(
    ("sent", "message", "kind"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow down"}, "slow down", "rate_limited"),
        ({"type": "error", "error": {"type": "server_error", "message": "boom"}}, "boom", "unknown"),
        ({"error": {"message": "boom", "code": 500}}, "boom", "unknown"),
        ({"type": "error"}, "the provider failed to answer", "unknown"),
        ({"type": "response.failed", "response": {"error": {"message": "boom"}}}, "boom", "unknown"),
        ({"type": "response.failed"}, "the provider failed to answer", "unknown"),
        ({"type": "response.failed", "response": {"status": "failed"}}, "the provider failed to answer", "unknown"),
    ],
)
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_forms_of_a_providers_error(sent: Any, message: str, kind: str, tools: tuple[Any, ...]) -> None:
    begun = stream(*lifecycle(response())[:2])
    played = hear(begun + b"data: " + dump(sent) + b"\n\n", tools=tools)

    assert (played.outcome.status, played.outcome.error_message) == ("failed", message)
    assert played.outcome.error_type == kind
    assert played.body.count(b"data: ") == 3


def test_what_comes_behind_an_error_is_not_relayed() -> None:
    played = hear(VOICE.error_event("boom") + b": note\n\n" + told(words("Hi."), OURS)[:900])

    assert played.body == VOICE.error_event("boom")
    assert played.toolbox.calls == []


def test_an_error_that_an_answer_only_mentions_does_not_say_what_kind_it_is() -> None:
    error = {"code": "x", "message": "boom"}
    played = hear(told(words("The server is overloaded."), status="failed", error=error))
    assert played.outcome.error_type == "unknown"


@shows("failure", "in-band error")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_our_own_failure_in_the_form_of_the_dialect(tools: tuple[Any, ...]) -> None:
    begun = stream(*lifecycle(response(tools=TOOLS))[:2])
    played = hear(Answer([begun], cut=UpstreamError("openai closed the connection")), tools=tools)

    error, failed = values_of(played.body)[2:]
    assert error == {
        "type": "error",
        "code": "server_error",
        "message": "openai closed the connection",
        "param": None,
        "sequence_number": 2,
    }
    assert (failed["type"], failed["sequence_number"]) == ("response.failed", 3)
    assert (failed["response"]["id"], failed["response"]["status"]) == ("resp-1", "failed")
    assert failed["response"]["error"] == {"code": "server_error", "message": "openai closed the connection"}
    assert len(failed["response"]["tools"]) == (5 if tools else 6)


@shows("failure")
def test_our_own_failure_in_a_later_round_bears_the_turns_id() -> None:
    begun = stream(*lifecycle(response(id="resp-2"))[:2])
    played = hear(told(words("Look. "), OURS), Answer([begun], cut=UpstreamError("reset")))

    *shown, error, failed = values_of(played.body)
    assert failed["response"]["id"] == "resp-1"
    assert [error["sequence_number"], failed["sequence_number"]] == [len(shown), len(shown) + 1]


@shows("failure")
def test_our_own_failure_before_the_provider_has_said_anything() -> None:
    error, failed = values_of(hear(Answer([b": hello\n\n"], cut=UpstreamError("reset"))).body)

    assert (error["sequence_number"], failed["sequence_number"]) == (0, 1)
    assert failed["response"] == {
        "object": "response",
        "output": [],
        "status": "failed",
        "error": {"code": "server_error", "message": "reset"},
    }


@shows("cut")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_a_cut_behind_the_end_takes_nothing_from_the_answer(tools: tuple[Any, ...]) -> None:
    played = hear(Answer([told(words("Hi."))], cut=UpstreamError("reset")), tools=tools)

    assert played.outcome.status == "completed"
    assert VOICE.heard(played.body, streaming=True).finish == "stop"


def test_a_cut_behind_the_providers_error_adds_nothing_to_it() -> None:
    played = hear(Answer([VOICE.error_event("boom")], cut=UpstreamError("reset")))

    assert played.body == VOICE.error_event("boom")
    assert played.outcome.error_message == "boom"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [0, 1])
def test_a_last_event_without_its_blank_line(end: bytes, size: int) -> None:
    sent = told(words("Hi."), tools=TOOLS)
    played = hear(sent[:-2] + end, size=size)

    assert played.body == hear(sent).body
    assert VOICE.heard(played.body, streaming=True).text == "Hi."


def test_an_error_without_its_blank_line_is_told_whole() -> None:
    assert hear(VOICE.error_event("boom")[:-2]).body == VOICE.error_event("boom")


def test_a_comment_without_its_blank_line_is_not_glued_to_the_end() -> None:
    assert hear(told(words("Hi.")) + b": bye").body == hear(told(words("Hi."))).body
