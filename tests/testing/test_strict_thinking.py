"""How a strict fake Anthropic wants its thoughts back."""

from typing import Any

import pytest
from anthropic import BadRequestError

from aibridge.testing import FakeAnthropic, answer, call, redacted_thought, thought
from aibridge.testing.strict_messages import faults
from tests.testing.conftest import ConnectAnthropic

USER = {"role": "user", "content": "when?"}
ONE = {"type": "thinking", "thinking": "Hm.", "signature": "s1"}
TWO = {"type": "redacted_thinking", "data": "d2"}
TEXT = {"type": "text", "text": "I'll look."}
USE = {"type": "tool_use", "id": "a", "name": "time", "input": {}}
RESULT: dict[str, Any] = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "noon"}]}
SAID: list[list[dict[str, Any]]] = [[ONE, TWO, TEXT, USE]]

CHANGED = "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified."


def told(*messages: Any, thinking: Any = None, **body: Any) -> list[str]:
    asked = {"model": "x", "max_tokens": 9, "messages": messages, "thinking": thinking or {"type": "adaptive"}, **body}
    return [fault.message for fault in faults({**asked, "messages": list(messages)}, SAID)]


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def test_thoughts_as_they_were() -> None:
    assert told(USER, assistant(ONE, TWO, TEXT, USE), RESULT) == []
    assert told(USER, assistant(ONE, TWO), assistant(USE), RESULT) == []
    assert told(USER, assistant({**ONE, "citations": None}, TWO, USE), RESULT) == []


def test_words_beside_a_result_do_not_end_a_turn() -> None:
    beside = {"role": "user", "content": [*RESULT["content"], {"type": "text", "text": "Well?"}]}
    assert told(USER, assistant(TEXT, USE), beside)[0].startswith("messages.1.content.1.type: Expected `thinking`")


def test_an_id_may_have_been_used_before() -> None:
    again = {**ONE, "signature": "s3"}
    for thoughts in ([ONE, TWO], [again]):
        asked = {"model": "x", "max_tokens": 9, "thinking": {"type": "adaptive"}}
        messages = [USER, assistant(*thoughts, USE), RESULT]
        assert faults({**asked, "messages": messages}, [*SAID, [again, USE]]) == []


def test_calls_that_it_did_not_make_need_no_thought() -> None:
    foreign = {**USE, "id": "b"}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "b"}]}
    assert told(USER, assistant(TEXT, foreign), result) == []


def test_a_conversation_may_begin_amid_a_turn() -> None:
    first, second = told(RESULT, assistant(USE), RESULT)
    assert first.startswith("messages.0.content.0: unexpected `tool_use_id`")
    assert second.startswith("messages.1.content.0.type: Expected `thinking`")


def test_thoughts_of_former_turns_may_be_left_out() -> None:
    assert told(USER, assistant(TEXT, USE), RESULT, assistant(TEXT), USER) == []
    assert told(USER, assistant(TEXT)) == []


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([TEXT, USE], "messages.1.content.1.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`."),
        ([TEXT, USE, ONE, TWO], "messages.1.content.1.type: Expected `thinking` or `redacted_thinking`, but found"),
        ([ONE, USE], f"messages.1.content.1: {CHANGED}"),
        ([TWO, ONE, USE], f"messages.1.content.2: {CHANGED}"),
        ([{**ONE, "thinking": "Ha."}, TWO, USE], "messages.1.content.0: `thinking` or `redacted_thinking` blocks"),
        ([{**ONE, "signature": "x"}, TWO, USE], "messages.1.content.0: Invalid `signature` in `thinking` block"),
        ([ONE, {**TWO, "data": "x"}, USE], "messages.1.content.1: Invalid `data` in `redacted_thinking` block"),
    ],
)  # fmt: skip
def test_thoughts_that_are_not_as_they_were(blocks: list[Any], message: str) -> None:
    assert told(USER, assistant(*blocks), RESULT)[0].startswith(message)


def test_forged_thoughts_are_refused_in_former_turns_too() -> None:
    forged = assistant({**ONE, "signature": "x"}, TEXT)
    assert told(USER, forged, USER) == ["messages.1.content.0: Invalid `signature` in `thinking` block"]


@pytest.mark.parametrize("thinking", [{"type": "disabled"}, {}, "odd"])
def test_thoughts_do_not_matter_where_thinking_is_off(thinking: Any) -> None:
    body = {"model": "x", "max_tokens": 9, "messages": [USER, assistant({**ONE, "signature": "x"}, USE), RESULT]}
    assert faults({**body, "thinking": thinking}, SAID) == []


def test_who_thinks_is_not_forced() -> None:
    tools = [{"name": "time", "input_schema": {"type": "object"}}]
    forced = "Thinking may not be enabled when tool_choice forces tool use."
    assert told(USER, tools=tools, tool_choice={"type": "any"}) == [forced]
    assert told(USER, tools=tools, tool_choice={"type": "auto"}) == []


@pytest.mark.parametrize("stream", [False, True])
async def test_it_knows_its_own_thoughts(connect_anthropic: ConnectAnthropic, stream: bool) -> None:
    given = answer(thought("Hm, well.", split=3), redacted_thought(), "I'll look.", call("time"))
    async with FakeAnthropic(given, strict=True) as provider:
        client: Any = connect_anthropic(provider).messages
        ask = {"model": "x", "max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 5000}}
        if stream:
            async with client.stream(**ask, messages=[USER]) as events:
                first = await events.get_final_message()
        else:
            first = await client.create(**ask, messages=[USER])
        result = {"role": "user", "content": [{**RESULT["content"][0], "tool_use_id": first.content[-1].id}]}
        await client.create(**ask, messages=[USER, first.to_param(), result])
        first.content[0].thinking = "Ha."
        with pytest.raises(BadRequestError, match="cannot be modified"):
            await client.create(**ask, messages=[USER, first.to_param(), result])
