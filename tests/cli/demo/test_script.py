"""The scripted provider of the demo."""

from typing import Any

import msgspec
import openai

from aibridge.cli.demo.script import QUESTION, TOOL, HiddenRound, Script
from aibridge.testing import FakeOpenAI

Message = dict[str, Any]

HISTORY: list[Message] = [
    {"role": "user", "content": QUESTION},
    {
        "role": "assistant",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": TOOL, "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "12:30:00 UTC"},
]


async def answer(script: Script, messages: list[Message], tool: str | None = TOOL) -> Message:
    tools = [{"type": "function", "function": {"name": tool, "parameters": {"type": "object"}}}] if tool else []
    body = {"model": "m", "messages": messages} | ({"tools": tools} if tools else {})
    async with FakeOpenAI(script) as provider, openai.AsyncOpenAI(base_url=provider.url, api_key="k") as client:
        reply = await client.post("/chat/completions", body=body, cast_to=object)
    message: Message = msgspec.convert(reply, dict)["choices"][0]["message"]
    return message


async def test_first_it_calls_the_tool() -> None:
    script = Script(lambda hidden: None)
    message = await answer(script, HISTORY[:1])
    assert message["content"] == "I will look at the clock."
    assert [call["function"]["name"] for call in message["tool_calls"]] == [TOOL]
    assert script.offered == [TOOL]
    assert script.result is None


async def test_then_it_says_what_the_tool_said_and_tells_of_the_hidden_round() -> None:
    told: list[HiddenRound] = []
    script = Script(told.append)
    await answer(script, HISTORY[:1])
    assert (await answer(script, HISTORY))["content"] == " It is 12:30:00 UTC, says the clock."
    assert script.result == "12:30:00 UTC"
    (hidden,) = told
    assert (hidden.number, hidden.tool, hidden.arguments) == (1, TOOL, '{"tz":"UTC"}')
    assert 0 <= hidden.seconds < 30


async def test_without_the_tool_it_says_so() -> None:
    script = Script(lambda hidden: None)
    assert (await answer(script, HISTORY[:1], tool="other"))["content"] == "I have no clock."
    assert script.offered == ["other"]
