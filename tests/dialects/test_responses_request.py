"""The client's Responses body and what goes upstream of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from aibridge.dialects.responses import Responses
from aibridge.errors import ClientError, Unsupported
from aibridge.model import InjectedTool
from tests.dialects.behaviours import shows
from tests.dialects.playing import CITY, TIME, UUID, Played, injected, play
from tests.dialects.responses import ResponsesVoice, call, reasoning, response, words
from tests.dialects.wire import dump

VOICE = ResponsesVoice()
CALLS = response(words("Let me look."), call("call-1", TIME.name, '{ "zone" : 1.50 }'), call("call-2", CITY.name, ""))
ANSWER = response(words("Five.", "msg-2"), id="resp-2")


def exchange(body: bytes, tools: Sequence[InjectedTool] = (TIME,), **more: Any) -> Responses:
    return Responses(body, id=UUID, tools=tools, **more)


def upstream(body: bytes, tools: Sequence[InjectedTool] = (TIME,), **more: Any) -> bytes:
    """The first round's request."""
    return exchange(body, tools, **more).request()


def sent(ours: Sequence[InjectedTool] = (TIME,), **members: Any) -> dict[str, Any]:
    """What the first request has where the client's has these members."""
    body: dict[str, Any] = json.loads(upstream(dump({"model": "m", "input": "x", **members}), ours))
    return body


def asked(first: dict[str, Any] = CALLS, **members: Any) -> Played:
    """A turn of two rounds."""
    return play(VOICE, VOICE.request(streaming=False, **members), [dump(first), dump(ANSWER)])


def second(played: Played) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(played.requests[1])
    return body


# As it came.


@shows("own bytes")
@pytest.mark.parametrize(
    "body",
    [
        b'{ "model" : "m",\n\t"input":[{"role":"user","content":"caf\\u00e9"}] }\n',
        b'{"input":"x","model":"m","temperature":1.0e-0,"seed":12345678901234567890123,"stream":true}',
        b'{"model":"m","input":"x","unknown":{"a":[null,-0.0,1E5]},"stream":false,"tools":[{"type":"custom"}]}',
        b'{"prompt":{"id":"pmpt_1"}}',
        b'{"model":"m","input":[],"background":false,"tools":null}',
    ],
)
def test_a_body_that_needs_no_change_keeps_its_bytes(body: bytes) -> None:
    assert upstream(body, tools=()) == body


@shows("repeated keys")
def test_a_repeated_key_goes_upstream_as_it_is_recorded() -> None:
    assert upstream(b'{"model":"a","input":"x","model":"b"}', tools=()) == b'{"model":"b","input":"x"}'


@shows("exact change", "only these")
def test_of_a_body_that_is_changed_only_the_tools_are() -> None:
    body = (
        b'{ "z": 1, "input": "caf\\u00e9", "seed": 123456789012345678901234567890, "a": 0.1, "b": 1e-7, "model": "m" }'
    )
    changed = upstream(body)

    assert changed.startswith(
        b'{"z":1,"input":"caf\xc3\xa9","seed":123456789012345678901234567890,"a":0.1,"b":1e-7,"model":"m","tools":['
    )


@shows("only these", "parallel setting")
@pytest.mark.parametrize("parallel", [True, False, None])
def test_of_a_later_request_only_input_and_a_forced_choice_change(parallel: bool | None) -> None:
    members: dict[str, Any] = {
        "instructions": "Be brief.",
        "include": ["reasoning.encrypted_content"],
        "metadata": {"a": "b"},
        "parallel_tool_calls": parallel,
        "previous_response_id": "resp-0",
        "reasoning": {"effort": "high"},
        "store": True,
        "text": {"format": {"type": "text"}},
        "tool_choice": "required",
    }
    played = asked(**members)

    first = json.loads(played.requests[0])
    assert {**first, "tools": None} == {
        **json.loads(VOICE.request(streaming=False, **members)),
        "tools": None,
    }
    assert list(second(played)) == list(first)
    changed = [key for key in first if first[key] != second(played)[key]]
    assert changed == ["input", "tool_choice"]


# Tools.


@shows("response tool form", "stable tools")
def test_the_form_of_an_injected_tool() -> None:
    schema = b'{"type":"object","properties":{"b":{"type":"number","minimum":0.10},"a":{}},"required":["b"]}'
    body = upstream(dump({"model": "m", "input": "x"}), (injected("sum", schema),))

    assert body.endswith(
        b'"tools":[{"type":"function","name":"bmcp_srv_sum","description":"The tool sum.","parameters":'
        + schema
        + b',"strict":false}]}'
    )


@shows("unknown tools")
def test_tools_of_types_that_we_do_not_know_pass_as_they_are() -> None:
    declared = (
        b'[{"type":"namespace","name":"crm","tools":[{"type":"function","name":"bmcp_srv_x","f":1.5}]},'
        b'{"type":"custom","name":"sh","format":{"type":"grammar","syntax":"lark"}},{"type":"web_search"},'
        b'{"type":"mcp","server_label":"x","server_url":"http://x"},{"type":["odd"],"name":7},{}'
    )
    body = upstream(b'{"model":"m","input":"x","tools":' + declared + b"]}")

    assert body.startswith(
        b'{"model":"m","input":"x","tools":' + declared + b',{"type":"function","name":"bmcp_srv_time"'
    )


@shows("name clash", "exact names")
@pytest.mark.parametrize("kind", ["function", "custom", "novel"])
def test_a_name_that_the_client_has_taken_is_not_offered(kind: str) -> None:
    declared = {"type": kind, "name": TIME.name}
    tools = sent((TIME, CITY), tools=[declared])["tools"]

    assert tools[0] == declared
    assert [tool["name"] for tool in tools[1:]] == [CITY.name]


def test_above_the_maximum_the_clients_tools_come_first() -> None:
    body = dump({"model": "m", "input": "x", "tools": [VOICE.tool("one"), VOICE.tool(TIME.name)]})
    made = exchange(body, (CITY, TIME, injected("x")), max_tools=3)

    assert VOICE.offered(made.request()) == ["one", TIME.name, CITY.name]
    assert made.left_out == 1


@shows("choice forced")
@pytest.mark.parametrize(
    ("choice", "relaxed"),
    [
        ("required", "auto"),
        ({"type": "function", "name": TIME.name}, "auto"),
        ({"type": "custom", "name": "x"}, "auto"),
        ({"type": "web_search"}, "auto"),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [1]},
            {"type": "allowed_tools", "mode": "auto", "tools": [1]},
        ),
        ("auto", "auto"),
        ("none", "none"),
        (None, None),
    ],
)
def test_what_becomes_of_a_tool_choice(choice: Any, relaxed: Any) -> None:
    played = asked(tool_choice=choice)

    assert json.loads(played.requests[0])["tool_choice"] == choice
    assert second(played)["tool_choice"] == relaxed


# Going on.


@shows("continuation", "together")
def test_the_second_request_has_the_items_as_they_were_and_the_results_behind_them() -> None:
    given = [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]

    assert second(asked(input=given))["input"] == [
        *given,
        *CALLS["output"],
        {"type": "function_call_output", "call_id": "call-1", "output": "17:00"},
        {"type": "function_call_output", "call_id": "call-2", "output": "Oslo"},
    ]


@shows("continuation")
@pytest.mark.parametrize(
    ("members", "before"),
    [({"input": "Hi."}, [{"role": "user", "content": "Hi."}]), ({"input": []}, []), ({"input": None}, [])],
)
def test_an_input_that_is_no_list_becomes_one(members: dict[str, Any], before: list[Any]) -> None:
    played = asked(**members)

    assert json.loads(played.requests[0])["input"] == members["input"]
    assert second(played)["input"][: len(before) + 1] == [*before, CALLS["output"][0]]


@shows("continuation")
def test_a_request_that_follows_a_response_goes_on_following_it() -> None:
    played = asked(previous_response_id="resp-0")

    assert second(played)["previous_response_id"] == "resp-0"
    assert len(second(played)["input"]) == 1 + len(CALLS["output"]) + 2


@shows("encrypted reasoning")
@pytest.mark.parametrize(("store", "kept"), [(False, ["rs-1"]), (True, ["rs-1", "rs-2"]), (None, ["rs-1", "rs-2"])])
def test_reasoning_is_replayed_with_its_encrypted_content_and_without_it_only_where_it_is_stored(
    store: bool | None, kept: list[str]
) -> None:
    sealed = reasoning("Hm.", id="rs-1", encrypted_content="gAAAA==", status=None)
    bare = reasoning("Hm.", id="rs-2")
    played = asked(response(sealed, bare, call("call-1", TIME.name)), store=store)

    items = second(played)["input"]
    assert [item["id"] for item in items if item.get("type") == "reasoning"] == kept
    assert sealed in items


@shows("conversation")
@pytest.mark.parametrize("conversation", ["conv-1", {"id": "conv-1"}])
def test_a_conversation_has_the_items_already(conversation: Any) -> None:
    again = dump(response(call("call-3", TIME.name), id="resp-2"))
    body = VOICE.request(streaming=False, conversation=conversation)
    played = play(VOICE, body, [dump(CALLS), again, dump(ANSWER)])

    assert [VOICE.answered(request) for request in played.requests[1:]] == [
        [("call-1", "17:00"), ("call-2", "Oslo")],
        [("call-3", "17:00")],
    ]
    assert len(second(played)["input"]) == 2
    assert second(played)["conversation"] == conversation


def test_an_item_of_every_kind_is_replayed_as_it_was() -> None:
    search: dict[str, Any] = {
        "id": "ws-1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"query": "x", "f": 1.5},
    }
    novel = {"id": "n-1", "type": "novelty", "x": [None]}
    output = [search, novel, words("So.", phase="commentary"), call("call-1", TIME.name, status=None)]

    assert second(asked(response(*output)))["input"][1:5] == output


# What is read of it.


@shows("prompt once", "item prompt")
@pytest.mark.parametrize(
    ("given", "prompt"),
    [
        ("Hello", "Hello"),
        ("", ""),
        (None, None),
        ([], None),
        ([{"role": "user", "content": "Hello"}], "Hello"),
        ([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}], "a"),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "a"},
                        {"type": "input_image", "text": "no"},
                        {"type": "input_text", "text": "b"},
                    ],
                }
            ],
            "a\nb",
        ),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], None),
        ([{"role": "user", "content": "a"}, {"type": "function_call_output", "call_id": "c", "output": "x"}], None),
        ([{"role": "user", "content": []}], None),
        ([{"role": "user"}], None),
        ([{"role": "user", "content": {"odd": 1}}], None),
        ([{"role": "user", "content": [7, {"type": "input_text"}, {"type": "input_text", "text": 7}]}], None),
        ([{"type": "item_reference", "id": "msg-1"}], None),
    ],
)
def test_the_prompt(given: Any, prompt: str | None) -> None:
    assert exchange(dump({"model": "m", "input": given})).prompt == prompt


@pytest.mark.parametrize(
    ("last", "found"),
    [
        ({"type": "function_call_output", "call_id": "call-7", "output": "x"}, "call-7"),
        ({"type": "custom_tool_call_output", "call_id": "call-7", "output": "x"}, "call-7"),
        ({"type": "function_call_output", "call_id": 7}, None),
        ({"type": "function_call", "call_id": "call-7"}, None),
        ({"role": "user", "call_id": "call-7"}, None),
    ],
)
def test_the_call_that_the_request_answers(last: dict[str, Any], found: str | None) -> None:
    body = dump({"model": "m", "input": [{"role": "user", "content": "x"}, last]})
    assert exchange(body).correlating_tool_call_id == found


@pytest.mark.parametrize("given", ["x", [], None])
def test_a_request_that_answers_no_call(given: Any) -> None:
    assert exchange(dump({"model": "m", "input": given})).correlating_tool_call_id is None


def test_a_model_that_only_the_provider_knows() -> None:
    assert exchange(b'{"prompt":{"id":"pmpt_1"}}').model == ""


@pytest.mark.parametrize(("stream", "expected"), [(True, True), (False, False), (None, False)])
def test_the_mode(stream: bool | None, expected: bool) -> None:
    assert exchange(dump({"model": "m", "input": "x", "stream": stream})).streaming is expected


# Refused.


@shows("background")
def test_background_is_not_served() -> None:
    with pytest.raises(Unsupported, match="'background' responses are not served") as caught:
        exchange(dump({"model": "m", "input": "x", "background": True}))
    assert caught.value.status == 501


@shows("bad body")
@pytest.mark.parametrize(
    ("members", "param", "message"),
    [
        ({"model": 5}, "model", "'model' must be a string such as 'gpt-5', not a number."),
        ({"input": 5}, "input", "'input' must be a string or an array of items, not a number."),
        ({"input": {}}, "input", "'input' must be a string or an array of items, not an object."),
        ({"input": [{}, "x"]}, "input[1]", "'input[1]' must be an object, not a string."),
        ({"stream": "yes"}, "stream", "'stream' must be a boolean, not a string."),
        ({"tools": {}}, "tools", "'tools' must be an array of tools, not an object."),
        ({"tools": [{}, None]}, "tools[1]", "'tools[1]' must be an object, not null."),
    ],
)
def test_a_member_of_the_wrong_type_is_named(members: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(ClientError) as caught:
        exchange(dump({"model": "m", "input": "x", **members}))
    assert (caught.value.param, caught.value.message, caught.value.status) == (param, message, 400)
