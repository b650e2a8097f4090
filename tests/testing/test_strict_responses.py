"""What a strict fake OpenAI refuses in Responses."""

from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError

from aibridge.testing import FakeOpenAI, answer, call, error_event, redacted_thought, thought, web_search
from aibridge.testing.strict_responses import Said, faults
from tests.testing.conftest import Connect

USER = {"role": "user", "content": "when?"}
THOUGHT = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
SECRET = {**THOUGHT, "encrypted_content": "e1"}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "a", "name": "time", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "a", "output": "noon"}
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {}}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "noon"}]}

NOT_FOUND = "Item with id '{}' not found. Items are not persisted when `store` is set to false."


def without(item: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != name}


def said(*output: dict[str, Any], stored: bool = True) -> list[Said]:
    return [Said([USER], stored, None, "resp_1", list(output))]


def told(*items: Any, said: Any = (), **body: Any) -> list[str]:
    return [fault.message for fault in faults({"model": "gpt-6", "input": list(items), **body}, said)]


def test_a_proper_conversation_has_no_faults() -> None:
    custom = {"type": "custom_tool_call", "call_id": "b", "name": "x", "input": "y"}
    answered = {"type": "custom_tool_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "z"}]}
    ours = without(CALL, "id")
    assert faults({"input": "when?"}, ()) == []
    assert faults({"prompt": {"id": "pmpt_1"}}, ()) == []
    assert told(USER, ours, custom, OUTPUT, answered, {"role": "assistant", "content": "noon"}, USER) == []


def test_calls_and_their_outputs() -> None:
    ours = without(CALL, "id")
    assert told(USER, ours) == ["No tool output found for function call a."]
    assert told(USER, OUTPUT) == ["No tool call found for function call output with call_id a."]
    assert told(USER, OUTPUT, ours)[0] == "No tool call found for function call output with call_id a."
    assert told(USER, ours, {**OUTPUT, "type": "custom_tool_call_output"})[0].startswith(
        "No tool call found for custom"
    )
    assert told(USER, ours, OUTPUT, OUTPUT)[0] == "Duplicate output found with call_id a."
    assert told(USER, ours, ours, OUTPUT)[0] == "Duplicate call found with call_id a."


def test_items_that_come_twice() -> None:
    assert told(USER, MESSAGE, MESSAGE, said=said(MESSAGE)) == [
        "Duplicate item found with id msg_1. Remove duplicate items from your input and try again."
    ]


def test_thoughts_come_back_with_what_they_led_to() -> None:
    spoken = said(THOUGHT, CALL)
    assert told(USER, THOUGHT, CALL, OUTPUT, said=spoken) == []
    assert told(USER, THOUGHT, without(CALL, "id"), OUTPUT, said=spoken) == []
    following = "Item 'rs_1' of type 'reasoning' was provided without its required following item."
    assert told(USER, THOUGHT, said=spoken) == [following]
    assert told(USER, THOUGHT, MESSAGE, said=[*spoken, *said(MESSAGE)]) == [following]


@pytest.mark.parametrize(
    ("item", "rest", "kind"),
    [(CALL, [OUTPUT], "function_call"), (SEARCH, [], "web_search_call"), (MESSAGE, [], "message")],
)
def test_what_was_thought_about_comes_back_with_its_thought(item: Any, rest: list[Any], kind: str) -> None:
    spoken = said(THOUGHT, item)
    assert told(USER, THOUGHT, item, *rest, said=spoken) == []
    lonely = f"Item '{item['id']}' of type '{kind}' was provided without its required 'reasoning' item: 'rs_1'."
    assert told(USER, item, *rest, said=spoken) == [lonely]


def test_thoughts_are_unchanged() -> None:
    spoken = said(SECRET, MESSAGE)
    assert told(USER, THOUGHT, MESSAGE, said=spoken) == []
    assert told(USER, {**SECRET, "summary": []}, MESSAGE, said=spoken) == [
        "The summary for item rs_1 could not be verified."
    ]
    other = said({**SECRET, "id": "rs_2", "encrypted_content": "e2"}, {**MESSAGE, "id": "msg_2"})
    assert told(USER, {**SECRET, "encrypted_content": "e2"}, MESSAGE, said=[*spoken, *other])[0] == (
        "The encrypted content for item rs_1 could not be verified."
    )


def test_thoughts_that_are_not_stored_are_encrypted() -> None:
    spoken = said(SECRET, MESSAGE, stored=False)
    for store in (False, True):
        assert told(USER, SECRET, MESSAGE, said=spoken, store=store) == []
        assert told(USER, without(SECRET, "id"), without(MESSAGE, "id"), said=spoken, store=store) == []
        assert told(USER, THOUGHT, MESSAGE, said=spoken, store=store)[0].startswith(NOT_FOUND.format("rs_1"))
    (fault,) = faults({"input": [USER, {**SECRET, "encrypted_content": "x"}, MESSAGE], "store": False}, spoken)
    assert fault.message == "The encrypted content for item rs_1 could not be verified."
    assert fault.code == "invalid_encrypted_content"


def test_ids_are_known() -> None:
    assert told(USER, CALL, OUTPUT)[0].startswith(NOT_FOUND.format("fc_1"))
    assert told(USER, MESSAGE)[0].startswith(NOT_FOUND.format("msg_1"))
    assert told(USER, CALL, OUTPUT, store=False) == []
    assert told({**USER, "id": "mine"}, {**OUTPUT, "id": "too"}, without(CALL, "id"))[0].startswith(
        "No tool call found"
    )


def test_references_stand_for_their_items() -> None:
    reference = {"type": "item_reference", "id": "fc_1"}
    assert told(USER, reference, OUTPUT, said=said(CALL)) == []
    assert told(USER, reference, said=said(CALL)) == ["No tool output found for function call a."]
    assert told(USER, reference, OUTPUT, said=said(CALL, stored=False))[0].startswith(NOT_FOUND.format("fc_1"))


def test_a_previous_response_counts_as_history() -> None:
    spoken = said(THOUGHT, CALL)
    chain = {"previous_response_id": "resp_1"}
    assert told(OUTPUT, said=spoken, **chain) == []
    assert told(USER, said=spoken, **chain) == ["No tool output found for function call a."]
    assert told(CALL, OUTPUT, said=spoken, **chain)[0].startswith("Duplicate item found with id fc_1.")


def test_a_previous_response_is_known_and_stored() -> None:
    for spoken in ([], said(CALL, stored=False)):
        (fault,) = faults({"input": [OUTPUT], "previous_response_id": "resp_1"}, spoken)
        assert fault.message == "Previous response with id 'resp_1' not found."
        assert (fault.param, fault.code) == ("previous_response_id", "previous_response_not_found")


@pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}])
def test_a_conversation_counts_as_history(conversation: Any) -> None:
    spoken = [*said(MESSAGE), Said([USER], True, "conv_1", "resp_1", [MESSAGE])]
    spoken.append(Said([USER, MESSAGE], True, "conv_1", "resp_2", [CALL]))
    assert told(OUTPUT, said=spoken, conversation=conversation) == []
    assert told(USER, said=spoken, conversation=conversation) == ["No tool output found for function call a."]
    assert told(USER, said=spoken, conversation={"id": "conv_2"}) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "One of 'input' or 'previous_response_id' or 'prompt' or 'conversation' must be provided."),
        ({"input": 7}, "Invalid type for 'input': expected one of a string or an array of objects, but got a number"),
        ({"input": [None]}, "Invalid type for 'input[0]': expected an object, but got null instead."),
        ({"input": [{}]}, "Missing required parameter: 'input[0].type'."),
        ({"input": [without(CALL, "name")]}, "Missing required parameter: 'input[0].name'."),
        (
            {"input": [{**CALL, "arguments": {}}]},
            "Invalid type for 'input[0].arguments': expected a string, but got an",
        ),
        ({"input": [{**OUTPUT, "output": True}]}, "Invalid type for 'input[0].output': expected one of a string or an"),
        ({"input": [], "previous_response_id": "a", "conversation": "b"}, "Mutually exclusive parameters: "),
    ],
)
def test_bodies_of_an_odd_shape(body: dict[str, Any], message: str) -> None:
    assert faults(body, ())[0].message.startswith(message)


def test_tools_and_the_choice_among_them() -> None:
    time = {"type": "function", "name": "time", "parameters": {"type": "object", "properties": {}}}
    tools = [time, {"type": "custom", "name": "x"}, {"type": "web_search"}, {"type": "namespace", "name": "time"}]
    assert told(USER, tools=tools, tool_choice={"type": "function", "name": "time"}) == []
    assert told(USER, tools=[], tool_choice="auto") == []
    assert told(USER, tools=[time, time])[0].startswith("Invalid 'tools': tool names must be unique")
    assert told(USER, tools=[{**time, "parameters": {"type": "object"}}])[0].startswith("Invalid schema for function")
    assert told(USER, tool_choice="required") == ["Tool choices other than 'auto' and 'none' need 'tools'."]
    assert told(USER, tools=tools, tool_choice={"type": "function", "name": "y"}) == [
        "Tool choice 'y' not found in 'tools' parameter."
    ]
    assert told(USER, tools=tools, tool_choice={"type": "web_search"}) == []


async def respond(client: AsyncOpenAI, given: Any, *, stream: bool = False, **more: Any) -> Any:
    if not stream:
        return await client.responses.create(model="gpt-6", input=given, **more)
    async with client.responses.stream(model="gpt-6", input=given, **more) as events:
        return await events.get_final_response()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("store", [False, True])
async def test_it_takes_back_what_it_said(connect: Connect, stream: bool, store: bool) -> None:
    given = answer(thought("Hm."), web_search("noon"), redacted_thought(), "I'll look.", call("time"))
    async with FakeOpenAI(given, strict=True) as provider:
        client = connect(provider)
        first = await respond(client, "when?", stream=stream, store=store)
        items = [item.to_dict() for item in first.output]
        output = {**OUTPUT, "call_id": items[-1]["call_id"]}
        await respond(client, [USER, *items, output], store=store)
        with pytest.raises(BadRequestError, match="without its required 'reasoning' item"):
            await respond(client, [USER, *items[1:], output], store=store)
    assert [item["type"] for item in items] == ["reasoning", "web_search_call", "reasoning", "message", "function_call"]


async def test_it_keeps_what_it_stores(connect: Connect) -> None:
    async with FakeOpenAI(
        [answer(call("time", id="a")), answer("noon"), answer("Bye."), answer("Hi")], strict=True
    ) as provider:
        client = connect(provider)
        first = await respond(client, "when?", stream=True)
        second = await respond(client, [OUTPUT], previous_response_id=first.id)
        await respond(client, "thanks", previous_response_id=second.id)
        with pytest.raises(BadRequestError, match="Previous response with id 'resp_x' not found"):
            await respond(client, "thanks", previous_response_id="resp_x")
        unstored = await respond(client, "when?", store=False)
        with pytest.raises(BadRequestError, match="Previous response with id"):
            await respond(client, "thanks", previous_response_id=unstored.id)
    first_view, second_view, third_view, *_ = provider.views
    assert second_view.continues(first_view)
    assert third_view.continues(second_view)
    assert len(third_view.conversation) == 5


async def test_a_response_that_failed_is_no_previous_one(connect: Connect) -> None:
    async with FakeOpenAI(answer("Hi", error_event("no"), id="resp_1"), strict=True) as provider:
        stream = await connect(provider).responses.create(model="gpt-6", input="Hi", stream=True)
        async for _ in stream:
            pass
        with pytest.raises(BadRequestError, match="Previous response with id 'resp_1' not found"):
            await respond(connect(provider), "Hi", previous_response_id="resp_1")
