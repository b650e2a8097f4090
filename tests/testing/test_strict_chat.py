"""What a strict fake OpenAI refuses in chat completions."""

from typing import Any

import pytest
from openai import BadRequestError

from aibridge.testing import FakeOpenAI, answer, call
from aibridge.testing.strict_chat import faults
from tests.testing.conftest import Connect

USER = {"role": "user", "content": "when?"}


def calling(*ids: str) -> dict[str, Any]:
    calls = [{"id": id_, "type": "function", "function": {"name": "time", "arguments": "{}"}} for id_ in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(id_: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": "noon"}


def tool(name: Any = "time", parameters: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, **({"parameters": parameters} if parameters else {}), **more},
    }


def told(*messages: Any, **body: Any) -> list[str]:
    return [fault.message for fault in faults({"model": "gpt-6", "messages": list(messages), **body})]


@pytest.mark.parametrize(
    "messages",
    [
        [USER],
        [{"role": "developer", "content": "Be brief."}, USER],
        [USER, calling("a"), result("a")],
        [USER, calling("a", "b"), result("b"), result("a"), {"role": "assistant", "content": "noon"}, USER],
        [USER, calling("a"), result("a"), calling("b"), result("b")],
        [USER, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}}],
        [
            USER,
            {**calling(), "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "x", "input": "y"}}]},
            result("a"),
        ],
    ],
)
def test_a_proper_conversation_has_no_faults(messages: list[Any]) -> None:
    assert told(*messages) == []


@pytest.mark.parametrize(
    ("messages", "ids"),
    [
        ([USER, calling("a")], "a"),
        ([USER, calling("a", "b", "c"), result("b")], "a, c"),
        ([USER, calling("a"), USER], "a"),
    ],
)
def test_a_call_without_a_result(messages: list[Any], ids: str) -> None:
    (fault,) = faults({"model": "gpt-6", "messages": messages})
    assert fault.message.startswith("An assistant message with 'tool_calls' must be followed by tool messages")
    assert fault.message.endswith(f"did not have response messages: {ids}")
    assert fault.param == "messages.[1].role"


def test_a_result_after_something_else() -> None:
    assert told(USER, calling("a"), USER, result("a"))[1:] == [
        "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
    ]


def test_a_result_of_another_call() -> None:
    (fault,) = faults({"model": "gpt-6", "messages": [USER, calling("a"), result("a"), result("b")]})
    assert fault.message == "Invalid parameter: 'tool_call_id' of 'b' not found in 'tool_calls' of previous message."
    assert fault.param == "messages.[3].tool_call_id"


def test_ids_that_come_twice() -> None:
    assert told(USER, calling("a"), result("a"), result("a")) == ["Duplicate value for 'tool_call_id' of 'a'."]
    assert told(USER, calling("a"), result("a"), calling("a"), result("a")) == [
        "Duplicate value for 'id' of 'a' in 'tool_calls'."
    ]


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([7], "Invalid type for 'messages[0]': expected an object, but got a number instead."),
        ([{"role": "x", "content": ""}], "Invalid value: 'x'. Supported values are: 'system', 'assistant',"),
        ([{"role": "user", "content": None}], "Invalid value for 'content': expected a string, got null."),
        ([{"role": "tool", "content": "x"}], "Missing required parameter: 'messages[0].tool_call_id'."),
        ([calling()], "Invalid 'messages[0].tool_calls': empty array."),
        ([{**USER, "tool_calls": True}], "Invalid type for 'messages[0].tool_calls': expected an array of objects"),
        ([{**USER, "tool_calls": ["x"]}], "Invalid type for 'messages[0].tool_calls[0]': expected an object"),
        ([{**USER, "tool_calls": [{}]}], "Missing required parameter: 'messages[0].tool_calls[0].id'."),
        ([{**USER, "tool_calls": [{"id": "a"}]}], "Invalid value: 'None'. Supported values are: 'function' and"),
        (
            [{**USER, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": {}}}]}],
            "Invalid type for 'messages[0].tool_calls[0].function.arguments': expected a string, but got an object",
        ),
    ],
)  # fmt: skip
def test_messages_of_an_odd_shape(messages: list[Any], message: str) -> None:
    assert told(*messages)[0].startswith(message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"messages": [USER]}, "you must provide a model parameter"),
        ({"model": "m"}, "Missing required parameter: 'messages'."),
        ({"model": "m", "messages": []}, "Invalid 'messages': empty array. Expected an array with minimum length 1"),
        (
            {"model": "m", "messages": {}},
            "Invalid type for 'messages': expected an array of objects, but got an object",
        ),
    ],
)
def test_bodies_of_an_odd_shape(body: dict[str, Any], message: str) -> None:
    assert faults(body)[0].message.startswith(message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "Missing required parameter: 'tools[0].function.name'."),
        ("", "Invalid 'tools[0].function.name': empty string. Expected a string with minimum length 1"),
        (
            "x" * 65,
            "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64, but got",
        ),
        ("a.b", "Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches the"),
        ("a\n", "Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches the"),
    ],
)
def test_names_of_tools(name: Any, message: str) -> None:
    assert told(USER, tools=[tool("x" * 64), tool("A_b-9")]) == []
    assert told(USER, tools=[tool(name)])[0].startswith(message)


def test_names_of_tools_are_unique() -> None:
    assert told(USER, tools=[tool(), tool()]) == ["Invalid 'tools': tool names must be unique, and 'time' is not."]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"type": "object", "properties": {}, "required": None}, "None is not of type 'array'."),
        ({"type": "object", "properties": {}, "required": [1]}, "1 is not of type 'string'."),
        ({"type": "object", "properties": None}, "None is not of type 'object'."),
        ({"type": "object"}, "In context=(), object schema missing properties."),
        ({"properties": {}}, "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'."),
        ([1], "[1] is not of type 'object'."),
    ],
)
def test_parameters_of_tools(parameters: Any, message: str) -> None:
    (fault,) = faults({"model": "m", "messages": [USER], "tools": [tool(parameters=parameters)]})
    assert fault.message == f"Invalid schema for function 'time': {message}"
    assert (fault.param, fault.code) == ("tools[0].function.parameters", "invalid_function_parameters")


def test_parameters_may_be_proper_or_missing() -> None:
    proper = {"type": "object", "properties": {"zone": {}}, "required": ["zone"]}
    assert told(USER, tools=[tool("a"), tool("b", proper), tool("c", {"type": "object", "properties": {}})]) == []


def test_what_needs_tools() -> None:
    needs = "is only allowed when 'tools' are specified."
    assert told(USER, tool_choice="none") == [f"Invalid value for 'tool_choice': 'tool_choice' {needs}"]
    assert told(USER, parallel_tool_calls=False)[0].endswith(needs)
    assert told(USER, tools=[])[0].startswith("Invalid 'tools': empty array.")
    assert told(USER, tools=[tool()], tool_choice="auto", parallel_tool_calls=True) == []


def test_a_choice_is_one_of_the_tools() -> None:
    assert told(USER, tools=[tool()], tool_choice=tool()) == []
    assert told(USER, tools=[tool()], tool_choice=tool("date")) == [
        "Tool choice 'date' not found in 'tools' parameter."
    ]


def test_stream_options_need_a_stream() -> None:
    assert told(USER, stream=True, stream_options={"include_usage": True}) == []
    assert "only allowed when 'stream' is enabled" in told(USER, stream_options={})[0]


async def test_a_strict_fake_refuses_in_openais_form(connect: Connect) -> None:
    messages: list[Any] = [USER, result("a")]
    async with FakeOpenAI(answer("Hi"), strict=True) as provider:
        chat = connect(provider).chat.completions
        with pytest.raises(BadRequestError) as caught:
            await chat.create(model="gpt-6", messages=messages)
        seen = await chat.create(model="gpt-6", messages=messages[:1])
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", "messages.[1].role")
    assert caught.value.message.endswith(provider.faults[0].message)
    assert seen.choices[0].message.content == "Hi"


async def test_a_strict_fake_takes_back_what_it_said(connect: Connect) -> None:
    tools: Any = [tool()]
    async with FakeOpenAI([answer("I'll look.", call("time")), answer("noon")], strict=True) as provider:
        chat = connect(provider).chat.completions
        first = (await chat.create(model="gpt-6", messages=[USER], tools=tools)).choices[0].message  # type: ignore[list-item]  # a plain dict
        assert first.tool_calls
        messages: list[Any] = [USER, first, result(first.tool_calls[0].id)]
        await chat.create(model="gpt-6", messages=messages, tools=tools)
    assert provider.faults == []
    assert provider.views[1].continues(provider.views[0])


async def test_any_other_fake_takes_everything(connect: Connect) -> None:
    async with FakeOpenAI(answer("Hi")) as provider:
        await connect(provider).chat.completions.create(model="gpt-6", messages=[result("a")])  # type: ignore[list-item]  # a plain dict
    assert provider.faults == []
