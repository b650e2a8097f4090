"""The client's messages body and what goes upstream of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from aibridge.dialects.messages import Messages
from aibridge.errors import ClientError
from aibridge.model import Image, InjectedTool, Text, ToolResult
from tests.dialects.behaviours import shows
from tests.dialects.messages import USER, MessagesVoice, message, used
from tests.dialects.playing import CITY, RESULTS, TIME, UUID, Played, injected, play
from tests.dialects.wire import dump

VOICE = MessagesVoice()
HELLO = [{"role": "user", "content": "Hello"}]
OURS = used("call-1", TIME.name, {"zone": "UTC"})
ANSWER = message({"type": "text", "text": "Five."}, stop="end_turn", id="resp-2")


def exchange(body: bytes, tools: Sequence[InjectedTool] = (TIME,), **more: Any) -> Messages:
    return Messages(body, id=UUID, tools=tools, **more)


def upstream(body: bytes, tools: Sequence[InjectedTool] = (TIME,), **more: Any) -> bytes:
    """The first round's request."""
    return exchange(body, tools, **more).request()


def sent(ours: Sequence[InjectedTool] = (TIME,), **members: Any) -> dict[str, Any]:
    """What the first request has where the client's has these members."""
    body: dict[str, Any] = json.loads(upstream(dump({"model": "m", "messages": HELLO, **members}), ours))
    return body


def asked(*content: dict[str, Any], results: dict[str, ToolResult] | None = None, **members: Any) -> Played:
    """A turn of two rounds, the first with this content."""
    rounds = [dump(message(*content, stop="tool_use")), dump(ANSWER)]
    return play(VOICE, VOICE.request(streaming=False, **members), rounds, results=results)


def second(played: Played) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(played.requests[1])
    return body


# As it came.


@shows("own bytes")
@pytest.mark.parametrize(
    "body",
    [
        b'{ "model" : "m",\n\t"messages":[{"role":"user","content":"caf\\u00e9"}] }\n',
        b'{"messages":[{"content":"x","role":"user"}],"model":"m","temperature":1.0e-0,"stream":true}',
        b'{"model":"m","messages":[{"role":"user","content":[]}],"unknown":{"a":[null,-0.0,1E5]},"tools":null}',
    ],
)
def test_a_body_that_needs_no_change_keeps_its_bytes(body: bytes) -> None:
    assert upstream(body, tools=()) == body


@shows("repeated keys")
def test_a_repeated_key_goes_upstream_as_it_is_recorded() -> None:
    body = b'{"model":"a","messages":[{"role":"user","content":"x"}],"model":"b"}'
    assert upstream(body, tools=()) == b'{"model":"b","messages":[{"role":"user","content":"x"}]}'


@shows("exact change")
def test_a_changed_body_is_compact_and_keeps_order_and_numbers() -> None:
    body = (
        b'{ "z": 1, "model": "m", "seed": 123456789012345678901234567890, "a": 0.1, "b": 1e-7,'
        b' "messages": [{"role": "user", "content": "caf\\u00e9"}] }'
    )
    assert upstream(body).startswith(
        b'{"z":1,"model":"m","seed":123456789012345678901234567890,"a":0.1,"b":1e-7,'
        b'"messages":[{"role":"user","content":"caf\xc3\xa9"}],"tools":['
    )


@shows("parallel setting")
@pytest.mark.parametrize("kind", ["auto", "any", "tool"])
def test_the_parallel_setting_is_kept(kind: str) -> None:
    choice = {"disable_parallel_tool_use": True, "type": kind, **({"name": TIME.name} if kind == "tool" else {})}
    played = asked(OURS, tool_choice=choice)

    assert json.loads(played.requests[0])["tool_choice"] == choice
    assert second(played)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def test_of_a_later_request_only_messages_and_a_forced_choice_change() -> None:
    members: dict[str, Any] = {
        "system": [{"type": "text", "text": "Be brief."}],
        "thinking": {"type": "adaptive"},
        "stop_sequences": [],
    }
    played = asked(OURS, tool_choice={"type": "any"}, **members)

    first = json.loads(played.requests[0])
    assert list(second(played)) == list(first)
    assert [key for key in first if first[key] != second(played)[key]] == ["messages", "tool_choice"]


# Tools.


@shows("message tool form", "stable tools", "prepended", "cache control")
def test_ours_come_first_and_leave_the_clients_as_they_are() -> None:
    schema = b'{"type":"object","properties":{"b":{"type":"number","minimum":0.10}},"required":["b"]}'
    declared = (
        b'{"name":"edit","input_schema":{"type":"object","f":1.5},"cache_control":{"type":"ephemeral","ttl":"1h"}},'
        b'{"type":"web_search_20250305","name":"web_search","max_uses":3},{"type":"mcp_toolset"},{"name":7}'
    )
    body = upstream(
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[' + declared + b"]}",
        (injected("sum", schema),),
    )
    assert body.endswith(
        b'"tools":[{"name":"bmcp_srv_sum","description":"The tool sum.","input_schema":'
        + schema
        + b"},"
        + declared
        + b"]}"
    )
    assert body.count(b"cache_control") == 1


@shows("cache control")
def test_no_breakpoint_is_added_or_moved_in_later_requests() -> None:
    marked = {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}
    system = [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]
    played = asked(OURS, messages=[marked], system=system)

    assert second(played)["messages"][0] == marked
    assert second(played)["system"] == system
    assert played.requests[1].count(b"cache_control") == 2


@shows("name clash", "exact names")
@pytest.mark.parametrize("declared", [{"name": TIME.name}, {"type": "custom", "name": TIME.name}])
def test_a_name_that_the_client_has_taken_is_not_offered(declared: dict[str, Any]) -> None:
    tools = sent((TIME, CITY), tools=[declared])["tools"]
    assert [tool["name"] for tool in tools] == [CITY.name, TIME.name]
    assert tools[1] == declared


def test_above_the_maximum_the_clients_tools_come_first() -> None:
    body = dump({"model": "m", "messages": HELLO, "tools": [VOICE.tool("one"), VOICE.tool(TIME.name)]})
    made = exchange(body, (CITY, TIME, injected("x")), max_tools=3)

    assert VOICE.offered(made.request()) == [CITY.name, "one", TIME.name]
    assert made.left_out == 1


@shows("choice forced")
@pytest.mark.parametrize(
    ("choice", "relaxed"),
    [
        ({"type": "any"}, {"type": "auto"}),
        ({"type": "tool", "name": TIME.name}, {"type": "auto"}),
        ({"type": "auto"}, {"type": "auto"}),
        ({"type": "none"}, {"type": "none"}),
        ({"type": "novel", "name": "x"}, {"type": "novel", "name": "x"}),
        ("odd", "odd"),
        (None, None),
    ],
)
def test_what_becomes_of_a_tool_choice(choice: Any, relaxed: Any) -> None:
    played = asked(OURS, tool_choice=choice)

    assert json.loads(played.requests[0])["tool_choice"] == choice
    assert second(played)["tool_choice"] == relaxed


# Going on.


@shows("thinking replayed", "results first")
def test_the_round_is_replayed_unchanged_and_in_order_with_its_results_behind_it() -> None:
    content: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "Hm. \n", "signature": "EqoB+/=="},
        {"type": "redacted_thinking", "data": "EmwK"},
        {"type": "text", "text": " Let me look. ", "citations": None},
        {"type": "thinking", "thinking": "", "signature": "second=="},
        OURS,
        {**used("call-2", CITY.name, {}), "caller": {"type": "direct"}},
    ]
    [question, assistant, results] = second(asked(*content))["messages"]

    assert question == USER
    assert assistant == {"role": "assistant", "content": content}
    assert results == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "call-1", "content": [{"type": "text", "text": "17:00"}]},
            {"type": "tool_result", "tool_use_id": "call-2", "content": [{"type": "text", "text": "Oslo"}]},
        ],
    }


@pytest.mark.parametrize("blank", ["", " ", "\n\n", None])
def test_blank_text_which_the_provider_would_refuse_is_not_replayed(blank: str | None) -> None:
    assert second(asked({"type": "text", "text": blank}, OURS))["messages"][1]["content"] == [OURS]


@pytest.mark.parametrize("odd", [None, "{", [1], 7])
def test_an_input_that_is_no_object_is_replayed_as_one(odd: Any) -> None:
    content = [used("call-1", TIME.name, odd), used("call-2", CITY.name, {})]
    assert second(asked(*content))["messages"][1]["content"][0] == used("call-1", TIME.name, {})


@shows("results first", "tool error")
def test_a_failure_is_marked_as_an_error() -> None:
    played = asked(OURS, results={**RESULTS, "time": ToolResult.failure("the clock stopped")})
    [result] = second(played)["messages"][2]["content"]

    assert result["is_error"] is True
    assert result["content"] == [{"type": "text", "text": "Error: the clock stopped"}]


@shows("pictures")
@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/gif", "image/webp"])
def test_a_picture_is_an_image_block(media_type: str) -> None:
    parts = (Text("Look:"), Image(media_type, "aGk="), Text("there."))
    [result] = second(asked(OURS, results={"time": ToolResult(parts)}))["messages"][2]["content"]

    assert result["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": "aGk="}},
        {"type": "text", "text": "there."},
    ]


@shows("pictures")
def test_a_picture_of_a_type_that_the_provider_does_not_take_is_told_in_words() -> None:
    parts = (Image("image/svg+xml", "aGlnaA=="),)
    [result] = second(asked(OURS, results={"time": ToolResult(parts)}))["messages"][2]["content"]

    assert result["content"] == [{"type": "text", "text": "[image: image/svg+xml, 6 bytes]"}]


@shows("results first")
def test_a_result_without_words_has_no_empty_block() -> None:
    [result] = second(asked(OURS, results={"time": ToolResult((Text(""),))}))["messages"][2]["content"]

    assert result["content"] == []


# What is read of it.


@shows("prompt once")
@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        ([{"role": "user", "content": "Hello"}], "Hello"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}], "b"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image", "source": {}}]}], "a"),
        ([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "x"}]}], None),
        (
            [
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "c"}, {"type": "text", "text": "And now?"}],
                }
            ],
            "And now?",
        ),
        ([{"role": "user", "content": []}], None),
        ([{"role": "user", "content": [{"type": "text", "text": 7}]}], None),
        ([*HELLO, {"role": "assistant", "content": "I say"}], None),
    ],
)
def test_the_prompt(messages: list[Any], prompt: str | None) -> None:
    assert exchange(dump({"model": "m", "messages": messages})).prompt == prompt


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([{"type": "tool_result", "tool_use_id": "call-7"}], "call-7"),
        (
            [
                {"type": "tool_result", "tool_use_id": "a"},
                {"type": "tool_result", "tool_use_id": "b"},
                {"type": "text"},
            ],
            "b",
        ),
        ([{"type": "tool_result", "tool_use_id": 7}], None),
        ([{"type": "text", "text": "x", "tool_use_id": "c"}], None),
        ("x", None),
    ],
)
def test_the_call_that_the_request_answers(content: Any, found: str | None) -> None:
    assert (
        exchange(dump({"model": "m", "messages": [{"role": "user", "content": content}]})).correlating_tool_call_id
        == found
    )


@shows("session")
@pytest.mark.parametrize(
    ("metadata", "session"),
    [
        ({"user_id": '{"device_id":"d","account_uuid":"a","session_id":"s-1"}'}, "s-1"),
        ({"user_id": "user_abc_account__session_3f2a-11"}, "3f2a-11"),
        ({"user_id": '{"session_id":""}'}, None),
        ({"user_id": '{"session_id":" "}'}, None),
        ({"user_id": '{"session_id":7}'}, None),
        ({"user_id": "user_abc_session_"}, None),
        ({"user_id": "somebody"}, None),
        ({"user_id": ""}, None),
        ({"user_id": 7}, None),
        ({}, None),
        ("odd", None),
        (None, None),
    ],
)
def test_the_session(metadata: Any, session: str | None) -> None:
    assert exchange(dump({"model": "m", "messages": HELLO, "metadata": metadata})).session_id == session


@pytest.mark.parametrize(("stream", "expected"), [(True, True), (False, False), (None, False)])
def test_the_mode(stream: bool | None, expected: bool) -> None:
    assert exchange(dump({"model": "m", "messages": HELLO, "stream": stream})).streaming is expected


# Refused.


@shows("bad body")
@pytest.mark.parametrize(
    ("members", "param", "message"),
    [
        ({"model": None}, "model", "'model' must be a string such as 'claude-sonnet-4-5', not null."),
        ({"messages": "hi"}, "messages", "'messages' must be an array of messages, not a string."),
        ({"messages": []}, "messages", "'messages' must hold at least one message."),
        ({"messages": ["hi"]}, "messages[0]", "'messages[0]' must be an object, not a string."),
        (
            {"messages": [{"content": "x"}]},
            "messages[0].role",
            "'messages[0].role' must be a string such as 'user', not null.",
        ),
        (
            {"messages": [{"role": "user"}]},
            "messages[0].content",
            "'messages[0].content' must be a string or an array of blocks, not null.",
        ),
        (
            {"messages": [{"role": "user", "content": [{}, True]}]},
            "messages[0].content[1]",
            "'messages[0].content[1]' must be an object, not a boolean.",
        ),
        ({"stream": "yes"}, "stream", "'stream' must be a boolean, not a string."),
        ({"tools": {}}, "tools", "'tools' must be an array of tools, not an object."),
    ],
)
def test_a_member_of_the_wrong_type_is_named(members: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(ClientError) as caught:
        exchange(dump({"model": "m", "messages": HELLO, **members}))
    assert (caught.value.param, caught.value.message, caught.value.status) == (param, message, 400)
