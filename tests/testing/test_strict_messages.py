"""What a strict fake Anthropic refuses."""

from typing import Any

import pytest

from aibridge.testing import FakeAnthropic, answer, call, web_search
from aibridge.testing.strict_messages import faults
from tests.testing.conftest import ConnectAnthropic

USER = {"role": "user", "content": "when?"}
PAIR = "Each `tool_use` block must have a corresponding `tool_result` block in the next message."


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def text(content: str = "well?", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **more}


def use(id_: str, kind: str = "tool_use", **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": id_, "name": "web_search" if kind == "server_tool_use" else "time", "input": {}, **more}


def result(id_: str, kind: str = "tool_result", content: Any = "noon") -> dict[str, Any]:
    return {"type": kind, "tool_use_id": id_, "content": content}


def tool(name: Any = "time", **more: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": {"type": "object"}, **more}


def told(*messages: Any, said: Any = (), **body: Any) -> list[str]:
    asked = {"model": "claude-x", "max_tokens": 9, "messages": list(messages), **body}
    return [fault.message for fault in faults(asked, said)]


@pytest.mark.parametrize(
    "messages",
    [
        [USER],
        [USER, USER, {"role": "assistant", "content": "noon"}, user(text())],
        [USER, assistant(text(), use("a")), user(result("a"), text())],
        [USER, assistant(use("a"), use("b")), user(result("b"), result("a")), assistant(use("c")), user(result("c"))],
        [USER, assistant(use("a")), assistant(use("b")), user(result("a")), user(result("b")), user(text())],
        [USER, assistant(use("s", "server_tool_use"))],
        [USER, assistant(use("s", "server_tool_use"), result("s", "web_search_tool_result", [])), USER],
        [USER, {"role": "system", "content": "Be brief."}, assistant(text()), user({"type": "image"})],
        [USER, {"role": "assistant", "content": ""}],
    ],
)
def test_a_proper_conversation_has_no_faults(messages: list[Any]) -> None:
    assert told(*messages) == []


@pytest.mark.parametrize(
    ("messages", "ids"),
    [
        ([USER, assistant(use("a"))], "a"),
        ([USER, assistant(use("a"), use("b"), use("c")), user(result("b"))], "a, c"),
        ([USER, assistant(use("a")), user(text(), result("a"))], "a"),
        ([USER, assistant(use("a")), USER, user(result("a"))], "a"),
    ],
)
def test_a_call_without_a_result_directly_after_it(messages: list[Any], ids: str) -> None:
    assert told(*messages) == [
        f"messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: {ids}. {PAIR}"
    ]


def test_a_result_without_a_call() -> None:
    rule = "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
    assert told(user(text(), result("a"))) == [
        f"messages.0.content.1: unexpected `tool_use_id` found in `tool_result` blocks: a. {rule}"
    ]
    late = told(USER, assistant(use("a")), user(result("a")), assistant(text()), user(result("a")))
    assert late == [f"messages.4.content.0: unexpected `tool_use_id` found in `tool_result` blocks: a. {rule}"]


def test_ids_that_come_twice() -> None:
    assert told(USER, assistant(use("a")), user(result("a"), result("a"))) == [
        "messages.2.content: each tool_use must have a single result. Found multiple `tool_result` blocks with id: a"
    ]
    again = [assistant(use("a")), user(result("a"))]
    assert told(USER, *again, *again) == ["messages: `tool_use` ids must be unique. Found more than once: a"]


def test_the_user_speaks_first() -> None:
    assert told(assistant(text())) == ['messages: first message must use the "user" role']


def test_blocks_that_the_wrong_one_says() -> None:
    assert (
        told(USER, assistant(result("a")))[0]
        == "messages.1.content.0: `tool_result` blocks can only be in `user` messages"
    )
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    assert told(user(thinking)) == ["messages.0.content.0: `thinking` blocks can only be in `assistant` messages"]


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([user(text(""))], "messages: text content blocks must be non-empty"),
        ([user(text("\n"))], "messages: text content blocks must contain non-whitespace text"),
        (
            [{"role": "user", "content": ""}],
            "messages: all messages must have non-empty content except for the optional",
        ),
        ([USER, assistant(), USER], "messages: all messages must have non-empty content except for the optional"),
    ],
)
def test_texts_are_not_empty(messages: list[Any], message: str) -> None:
    assert told(*messages)[0].startswith(message)
    assert told(USER, system=[text("")]) == ["system: text content blocks must be non-empty"]
    assert told(USER, system="Be brief.") == []


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (7, "messages.0: Input should be a valid dictionary"),
        ({"role": "tool", "content": ""}, "messages.0.role: Input should be 'user', 'assistant' or 'system'"),
        ({"role": "user"}, "messages.0.content: Field required"),
        ({"role": "user", "content": 7}, "messages.0.content: Input should be a valid string or list"),
        (user(7), "messages.0.content.0: Input should be a valid dictionary with a 'type'"),
        (user({"type": "text"}), "messages.0.content.0.text.text: Field required"),
        (user({"type": "tool_result"}), "messages.0.content.0.tool_result.tool_use_id: Field required"),
        (user({"type": "tool_use", "input": {}}), "messages.0.content.0.tool_use.id: Field required"),
        (user(use("a b")), "messages.0.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"),
        (user(use("a", input="x")), "messages.0.content.0.tool_use.input: Input should be a valid dictionary"),
        (user({"type": "thinking", "thinking": ""}), "messages.0.content.0.thinking.signature: Field required"),
        (user({"type": "redacted_thinking"}), "messages.0.content.0.redacted_thinking.data: Field required"),
        (
            user({"type": "redacted_thinking", "data": "x", "cache_control": {}}),
            "messages.0.content.0.redacted_thinking.cache_control: Extra inputs are not permitted",
        ),
    ],
)
def test_messages_of_an_odd_shape(message: Any, fault: str) -> None:
    assert told(message) == [fault]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["model: Field required", "max_tokens: Field required", "messages: Field required"]),
        ({"model": "x", "max_tokens": 9, "messages": []}, ["messages: at least one message is required"]),
        ({"model": "x", "max_tokens": 9, "messages": "x"}, ["messages: Input should be a valid list"]),
    ],
)
def test_bodies_of_an_odd_shape(body: dict[str, Any], expected: list[str]) -> None:
    assert [fault.message for fault in faults(body, ())] == expected


def test_at_most_four_blocks_are_cached() -> None:
    cached: Any = {"cache_control": {"type": "ephemeral"}}
    body: dict[str, Any] = {"system": [text(**cached)], "tools": [tool(**cached)]}
    results = user({**result("a", content=[text(**cached)])})
    messages = [USER, assistant(use("a", **cached)), results]
    assert told(*messages, **body) == []
    assert told(*messages, **body, **cached) == ["A maximum of 4 blocks with cache_control may be provided. Found 5."]


@pytest.mark.parametrize(
    ("declared", "fault"),
    [
        ({"input_schema": {"type": "object"}}, "tools.0.custom.name: Field required"),
        (tool("a.b"), "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"),
        (tool("x" * 129), "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"),
        ({"name": "a"}, "tools.0.custom.input_schema: Field required"),
        (tool(input_schema=[]), "tools.0.custom.input_schema: Input should be an object"),
        (tool(input_schema={}), "tools.0.custom.input_schema.type: Input should be 'object'"),
    ],
)
def test_tools_of_an_odd_shape(declared: Any, fault: str) -> None:
    assert told(USER, tools=[declared]) == [fault]


def test_tools_and_the_choice_among_them() -> None:
    tools = [tool("x" * 128), tool(), tool("b", type="custom"), {"type": "web_search_20250305", "name": "web_search"}]
    assert told(USER, tools=tools, tool_choice={"type": "tool", "name": "time"}) == []
    assert told(USER, tools=[]) == []
    assert told(USER, tools=[tool(), tool()]) == ["tools: Tool names must be unique."]
    assert told(USER, tool_choice={"type": "none"}) == [
        "tool_choice: tool_choice may only be specified while providing tools."
    ]
    assert told(USER, tools=[tool()], tool_choice={"type": "tool", "name": "x"}) == [
        "tool_choice: Tool 'x' not found in provided tools"
    ]


def test_searches_stand_before_what_they_found() -> None:
    found = result("s", "web_search_tool_result", [])
    assert told(USER, assistant(use("s", "server_tool_use")), USER) == [
        "messages.1: `web_search` tool use with id `s` was found without a corresponding `web_search_tool_result` block"
    ]
    assert told(USER, assistant(found)) == [
        "messages.1.content.0: unexpected `tool_use_id` found in `web_search_tool_result` blocks: s."
    ]


async def test_what_was_found_comes_back_as_it_was(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic(answer(web_search("noon", ("Noon", "https://x.test"))), strict=True) as provider:
        client: Any = connect_anthropic(provider)
        for stream in (False, True):
            seen = await _asked(client, USER, stream=stream)
            search, found = (block.to_dict() for block in seen.content)
            await _asked(client, USER, assistant(search, found), USER)
            found["content"][0]["encrypted_content"] = "x"
            with pytest.raises(Exception, match="Invalid `encrypted_content` in `search_result` block"):
                await _asked(client, USER, assistant(search, found), USER)


async def _asked(client: Any, *messages: Any, stream: bool = False, **more: Any) -> Any:
    body = {"model": "claude-x", "max_tokens": 9, "messages": messages, **more}
    if not stream:
        return await client.messages.create(**body)
    async with client.messages.stream(**body) as events:
        return await events.get_final_message()


async def test_a_strict_fake_takes_back_what_it_said(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic([answer("I'll look.", call("time")), answer("noon")], strict=True) as provider:
        client: Any = connect_anthropic(provider)
        first = await _asked(client, USER, tools=[tool()], stream=True)
        await _asked(client, USER, first.to_param(), user(result(first.content[1].id)), tools=[tool()])
    assert provider.faults == []
    assert provider.views[1].continues(provider.views[0])
