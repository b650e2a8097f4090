"""The client's body and what goes upstream of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from aibridge.dialects.chat_completions import ChatCompletions
from aibridge.errors import ClientError
from aibridge.model import InjectedTool, Text, ToolResult
from tests.dialects.behaviours import shows
from tests.dialects.chat import Chat, completion, function_call
from tests.dialects.playing import CITY, TIME, UUID, injected, play
from tests.dialects.wire import dump

HELLO = [{"role": "user", "content": "Hello"}]
CHAT = Chat()


def exchange(body: bytes, tools: Sequence[InjectedTool] = (TIME,), **more: Any) -> ChatCompletions:
    return ChatCompletions(body, id=UUID, tools=tools, **more)


def upstream(body: bytes, tools: Sequence[InjectedTool] = (TIME,), **more: Any) -> bytes:
    """The first round's request."""
    return exchange(body, tools, **more).request()


def sent(ours: Sequence[InjectedTool] = (TIME,), **members: Any) -> dict[str, Any]:
    """What the first request has where the client's has these members."""
    body: dict[str, Any] = json.loads(upstream(dump({"model": "m", "messages": HELLO, **members}), ours))
    return body


# As it came.


@shows("own bytes")
@pytest.mark.parametrize(
    "body",
    [
        b'{ "model" : "m",\n\t"messages":[{"role":"user","content":"caf\\u00e9"}] }\n',
        b'{"messages":[{"content":"x","role":"user"}],"model":"m","temperature":1.0e-0,"seed":12345678901234567890123}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"unknown":{"a":[null,-0.0,1E5]},"stream":false}',
        b'{"model":"m","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage":true,"x":1}}',
        b'{"model":"m","messages":[{"role":"user"}],"tools":null,"n":3}',
    ],
)
def test_a_body_that_needs_no_change_keeps_its_bytes(body: bytes) -> None:
    assert upstream(body, tools=()) == body


@shows("exact change")
def test_a_changed_body_is_compact_and_keeps_order_and_numbers() -> None:
    body = (
        b'{ "z": 1, "model": "m", "seed": 123456789012345678901234567890, "a": 0.1, "b": 1e-7, "c": 2.0,'
        b' "messages": [{"role": "user", "content": "caf\\u00e9 \\u2028 \\ud83d\\ude00 </script>"}], "stream": true }'
    )
    assert upstream(body, tools=()) == (
        b'{"z":1,"model":"m","seed":123456789012345678901234567890,"a":0.1,"b":1e-7,"c":2.0,'
        b'"messages":[{"role":"user","content":"caf\xc3\xa9 \xe2\x80\xa8 \xf0\x9f\x98\x80 </script>"}],"stream":true,'
        b'"stream_options":{"include_usage":true}}'
    )


@shows("repeated keys")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b'{"model":"a","model":"b","messages":[{"role":"user"}]}',
            b'{"model":"b","messages":[{"role":"user"}]}',
        ),
        (
            b'{"model":"m","messages":[{"role":"system","content":"a","content":"b","role":"user"}]}',
            b'{"model":"m","messages":[{"role":"user","content":"b"}]}',
        ),
    ],
)
def test_a_repeated_key_goes_upstream_as_it_is_recorded(body: bytes, expected: bytes) -> None:
    assert upstream(body, tools=()) == expected


def test_the_model_on_record_is_the_one_that_is_sent() -> None:
    body = b'{"model":"cheap","messages":[{"role":"user"}],"model":"dear"}'
    assert exchange(body).model == "dear"
    assert json.loads(upstream(body))["model"] == "dear"


# Tools.


@shows("tool form", "stable tools")
def test_the_form_of_an_injected_tool() -> None:
    schema = b'{"type":"object","properties":{"b":{"type":"number","minimum":0.10},"a":{}},"required":["b"]}'
    body = upstream(dump({"model": "m", "messages": HELLO}), (injected("sum", schema),))

    assert body.endswith(
        b'"tools":[{"type":"function","function":{"name":"bmcp_srv_sum","description":"The tool sum.","parameters":'
        + schema
        + b',"strict":false}}]}'
    )


@shows("parallel setting")
@pytest.mark.parametrize("setting", [True, False, None])
def test_the_parallel_setting_is_kept(setting: bool | None) -> None:
    assert sent(parallel_tool_calls=setting)["parallel_tool_calls"] is setting


@shows("n")
def test_n_is_one_where_tools_are_injected_and_else_as_it_came() -> None:
    assert sent(n=3)["n"] == 1
    assert sent(ours=(), n=3)["n"] == sent(ours=(), n=3, stream=True)["n"] == 3
    assert "n" not in sent()
    assert sent(n=None)["n"] is None


@shows("usage asked")
def test_usage_is_asked_for_in_streams_alone() -> None:
    assert "stream_options" not in sent()
    assert sent(stream=True)["stream_options"] == {"include_usage": True}
    assert sent(stream=True, stream_options=None)["stream_options"] == {"include_usage": True}
    assert sent(stream=True, stream_options={"include_usage": False, "include_obfuscation": False})[
        "stream_options"
    ] == {"include_usage": True, "include_obfuscation": False}


@shows("name clash", "exact names")
@pytest.mark.parametrize(
    "declared",
    [
        {"type": "function", "function": {"name": TIME.name}},
        {"type": "custom", "custom": {"name": TIME.name}},
        {"function": {"name": TIME.name}},
        {"type": "function", "name": TIME.name},
        {"type": ["function"], "function": {"name": TIME.name}},
        {"type": "function", "function": {"name": f" {TIME.name}"}},  # padding is ignored in calls
    ],
)
def test_a_name_that_the_client_has_taken_is_not_offered(declared: dict[str, Any]) -> None:
    tools = sent((TIME, CITY), tools=[declared])["tools"]
    assert tools[0] == declared
    assert [tool["function"]["name"] for tool in tools[1:]] == [CITY.name]


@pytest.mark.parametrize(
    "declared",
    [{}, {"type": "function"}, {"type": "web_search"}, {"type": "function", "function": {"name": 7}}, {"name": None}],
)
def test_client_tools_of_unknown_shapes_pass(declared: dict[str, Any]) -> None:
    tools = sent(tools=[declared])["tools"]
    assert tools[0] == declared
    assert len(tools) == 2


def test_above_the_maximum_the_clients_tools_come_first() -> None:
    declared = [CHAT.tool("one"), CHAT.tool(TIME.name)]
    made = exchange(
        dump({"model": "m", "messages": HELLO, "tools": declared}), (CITY, TIME, injected("x")), max_tools=3
    )

    assert CHAT.offered(made.request()) == ["one", TIME.name, CITY.name]
    assert made.left_out == 1


def test_a_client_with_more_tools_than_the_maximum_keeps_them() -> None:
    declared = [CHAT.tool("one"), CHAT.tool("two")]
    body = dump({"model": "m", "messages": HELLO, "tools": declared})

    assert upstream(body, max_tools=1) == body


@shows("legacy functions")
def test_legacy_functions_stand_alone() -> None:
    body = dump({"model": "m", "messages": HELLO, "functions": [{"name": "f"}], "function_call": "auto"})
    assert upstream(body) == body


def test_an_empty_list_of_functions_is_none() -> None:
    assert len(sent(functions=[])["tools"]) == 1


# Replays.


@shows("replay")
def test_the_hidden_round_as_the_provider_gets_it_back() -> None:
    calls = [function_call("call-1", TIME.name, '{ "zone" : 1.50 }'), function_call("call-2", CITY.name, "")]
    first = dump(completion({"content": "Let me see.", "tool_calls": calls}, "tool_calls"))
    played = play(CHAT, CHAT.request(streaming=False), [first, dump(completion({"content": "Five."}))])

    [_, assistant, time, city] = json.loads(played.requests[1])["messages"]
    assert assistant == {"role": "assistant", "content": "Let me see.", "tool_calls": calls}
    assert time == {"role": "tool", "tool_call_id": "call-1", "content": "17:00"}
    assert city == {"role": "tool", "tool_call_id": "call-2", "content": "Oslo"}


@shows("replay")
def test_members_that_a_provider_adds_to_a_call_are_replayed() -> None:
    signed = {**function_call("call-1", TIME.name), "extra_content": {"google": {"thought_signature": "abc=="}}}
    first = dump(completion({"tool_calls": [signed]}, "tool_calls"))
    played = play(CHAT, CHAT.request(streaming=False), [first, dump(completion({"content": "Five."}))])

    [_, assistant, _] = json.loads(played.requests[1])["messages"]
    assert assistant == {"role": "assistant", "content": None, "tool_calls": [signed]}


def test_half_an_emoji_in_a_result_is_sent_as_its_escape() -> None:
    first = dump(completion({"tool_calls": [function_call("call-1", TIME.name)]}, "tool_calls"))
    results = {"time": ToolResult((Text("half \ud83d"),))}
    played = play(CHAT, CHAT.request(streaming=False), [first, dump(completion())], results=results)

    assert b'"content":"half \\ud83d"' in played.requests[1]
    assert CHAT.offered(played.requests[1]) == [TIME.name, CITY.name]


@shows("choice forced")
@pytest.mark.parametrize(
    ("choice", "relaxed"),
    [
        ("required", "auto"),
        ({"type": "function", "function": {"name": TIME.name}}, "auto"),
        ({"type": "custom", "custom": {"name": "x"}}, "auto"),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [1]}},
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [1]}},
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [1]}},
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [1]}},
        ),
        ("auto", "auto"),
        ("none", "none"),
        (None, None),
    ],
)
def test_what_becomes_of_a_tool_choice(choice: Any, relaxed: Any) -> None:
    first = dump(completion({"tool_calls": [function_call("call-1", TIME.name)]}, "tool_calls"))
    rounds = [first, dump(completion({"content": "Five."}))]
    played = play(CHAT, CHAT.request(streaming=False, tool_choice=choice), rounds)

    assert json.loads(played.requests[0])["tool_choice"] == choice
    assert json.loads(played.requests[1])["tool_choice"] == relaxed


# What is read of it.


@shows("prompt once")
@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        ([{"role": "user", "content": "Hello"}], "Hello"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}], "b"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}]}], "a"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], None),
        ([{"role": "user", "content": []}], None),
        ([{"role": "user", "content": None}], None),
        ([{"role": "user"}], None),
        ([*HELLO, {"role": "assistant", "content": "Hi"}], None),
        ([*HELLO, {"role": "tool", "content": "x", "tool_call_id": "c"}], None),
    ],
)
def test_the_prompt(messages: list[Any], prompt: str | None) -> None:
    assert exchange(dump({"model": "m", "messages": messages})).prompt == prompt


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"role": "tool", "tool_call_id": "call-7", "content": "x"}, "call-7"),
        ({"role": "tool", "tool_call_id": 7, "content": "x"}, None),
        ({"role": "tool", "content": "x"}, None),
        ({"role": "user", "tool_call_id": "call-7"}, None),
    ],
)
def test_the_call_that_the_request_answers(message: dict[str, Any], found: str | None) -> None:
    assert exchange(dump({"model": "m", "messages": [*HELLO, message]})).correlating_tool_call_id == found


@pytest.mark.parametrize(("stream", "expected"), [(True, True), (False, False), (None, False)])
def test_the_mode(stream: bool | None, expected: bool) -> None:
    assert exchange(dump({"model": "m", "messages": HELLO, "stream": stream})).streaming is expected


# Refused.


@shows("bad body")
@pytest.mark.parametrize(
    ("members", "param", "message"),
    [
        ({"model": None}, "model", "'model' must be a string such as 'gpt-4o', not null."),
        ({"model": 5}, "model", "'model' must be a string such as 'gpt-4o', not a number."),
        ({"messages": None}, "messages", "'messages' must be an array of messages, not null."),
        ({"messages": "hi"}, "messages", "'messages' must be an array of messages, not a string."),
        ({"messages": []}, "messages", "'messages' must hold at least one message."),
        ({"messages": ["hi"]}, "messages[0]", "'messages[0]' must be an object, not a string."),
        ({"messages": [{}]}, "messages[0].role", "'messages[0].role' must be a string such as 'user', not null."),
        (
            {"messages": [*HELLO, {"role": "user", "content": 1.5}]},
            "messages[1].content",
            "'messages[1].content' must be a string or an array of parts, not a number.",
        ),
        (
            {"messages": [{"role": "user", "content": [{}, True]}]},
            "messages[0].content[1]",
            "'messages[0].content[1]' must be an object, not a boolean.",
        ),
        ({"stream": "yes"}, "stream", "'stream' must be a boolean, not a string."),
        ({"stream_options": []}, "stream_options", "'stream_options' must be an object, not an array."),
        ({"n": "2"}, "n", "'n' must be a number, not a string."),
        ({"n": True}, "n", "'n' must be a number, not a boolean."),
        ({"tools": {}}, "tools", "'tools' must be an array of tools, not an object."),
        ({"tools": [None]}, "tools[0]", "'tools[0]' must be an object, not null."),
    ],
)
def test_a_member_of_the_wrong_type_is_named(members: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(ClientError) as caught:
        exchange(dump({"model": "m", "messages": HELLO, **members}))
    assert (caught.value.param, caught.value.message, caught.value.status) == (param, message, 400)


@shows("bad body")
def test_a_missing_model_is_named() -> None:
    with pytest.raises(ClientError, match="'model' must be"):
        exchange(dump({"messages": HELLO}))


@shows("bad body")
def test_a_body_of_the_responses_api_is_sent_to_its_own_route() -> None:
    with pytest.raises(ClientError, match=r"send this body to …/v1/responses") as caught:
        exchange(dump({"model": "m", "input": "Hello"}))
    assert caught.value.param == "messages"


@shows("bad body")
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"7", b"\xff", b'{"model":"\xff"}', b'{"a":NaN}', b'{"a":1e400}'],
)
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ClientError, match="The request body"):
        exchange(body)


@pytest.mark.parametrize("text", [b"\\ud83d", b"\\udc00x"])
def test_half_an_emoji_is_no_json(text: bytes) -> None:
    with pytest.raises(ClientError, match="not valid JSON"):
        exchange(b'{"model":"m","messages":[{"role":"user","content":"' + text + b'"}]}')


@pytest.mark.parametrize("tools", [(), (TIME,)])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_refused_or_borne(opening: bytes, closing: bytes, tools: tuple[InjectedTool, ...]) -> None:
    refused = []
    for depth in [*range(800, 1010), 100_000]:
        nested = opening * depth + b"1" + closing * depth
        try:
            made = exchange(b'{"model":"m", "messages":[{"role":"user"}],"x":' + nested + b"}", tools)
            _deeper(made.request, 10)
        except ClientError as error:
            refused.append(error.message)
    assert set(refused) == {"The request body is nested too deeply."}
    assert len(refused) < 210


def _deeper(call: Any, frames: int) -> None:
    """Calls from a deeper stack, as the loop does."""
    if frames:
        _deeper(call, frames - 1)
    else:
        call()
