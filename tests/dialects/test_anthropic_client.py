"""What Anthropic's client makes of messages of several rounds."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import pytest

from aibridge.errors import UpstreamError
from tests.dialects.messages import MessagesVoice, block, end, start, text, thinking, use
from tests.dialects.playing import TIME, UUID, Played, Said, Say, play
from tests.dialects.wire import stream
from tests.twins import Answer

VOICE = MessagesVoice()
ASKED: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
TURN = [
    Say("Let me look. ", (Said("call-1", TIME.name),), thought="Hm."),
    Say("", (Said("call-2", TIME.name, '{"zone":"UTC"}'),), id="resp-2"),
    Say("It is five.", id="resp-3", thought="Ah."),
]
MIXED = [TURN[0], Say("Your turn.", (Said("call-3", TIME.name), Said("call-4", "edit", '{"path":"a b"}')), id="resp-2")]


def played(turn: list[Say], *, streaming: bool = True) -> Played:
    return play(VOICE, VOICE.request(streaming=streaming), [VOICE.answer(say, streaming=streaming) for say in turn])


def client(turn: Played) -> anthropic.AsyncAnthropic:
    """The official client, before an answer that was recorded."""
    headers = {name.decode(): value.decode() for name, value in turn.head.headers}

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(turn.head.status, headers=headers, content=turn.body)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    return anthropic.AsyncAnthropic(api_key="k", base_url="http://127.0.0.1", http_client=http, max_retries=0)


async def test_a_stream_of_several_rounds_is_one_message() -> None:
    async with client(played(TURN)) as ai, ai.messages.stream(**ASKED) as events:
        message = await events.get_final_message()

    assert (message.id, message.role, message.stop_reason) == (UUID, "assistant", "end_turn")
    assert [item.type for item in message.content] == ["thinking", "text", "thinking", "text"]
    assert "".join(item.text for item in message.content if item.type == "text") == "Let me look. It is five."
    assert [item.signature for item in message.content if item.type == "thinking"] == ["sig==", "sig=="]
    assert (message.usage.input_tokens, message.usage.output_tokens) == (30, 15)


async def test_a_mixed_round_ends_with_the_clients_call() -> None:
    async with client(played(MIXED)) as ai, ai.messages.stream(**ASKED) as events:
        message = await events.get_final_message()

    [call] = [item for item in message.content if item.type == "tool_use"]
    assert (call.id, call.name, call.input) == ("call-4", "edit", {"path": "a b"})
    assert message.stop_reason == "tool_use"


async def test_blocks_of_every_kind() -> None:
    first = [
        *thinking(0, "Hm."),
        *block(1, {"type": "redacted_thinking", "data": "x"}),
        *use(2, "srv-1", "web_search", '{"query":"x"}', type="server_tool_use"),
        *block(3, {"type": "web_search_tool_result", "tool_use_id": "srv-1", "content": []}),
        *use(4, "call-1", TIME.name),
        *text(5, "So."),
    ]
    rounds = [stream(start(), *first, *end("tool_use")), stream(start(), *text(0, "Five."), *end())]
    turn = play(VOICE, VOICE.request(streaming=True), rounds)
    async with client(turn) as ai, ai.messages.stream(**ASKED) as events:
        message = await events.get_final_message()

    assert [item.type for item in message.content] == [
        "thinking",
        "redacted_thinking",
        "server_tool_use",
        "web_search_tool_result",
        "text",
        "text",
    ]


async def test_plain_events() -> None:
    async with client(played(TURN)) as ai:
        events = [event async for event in await ai.messages.create(**ASKED, stream=True)]

    types = [event.type for event in events]
    assert (types[0], types[-2:]) == ("message_start", ["message_delta", "message_stop"])
    assert types.count("message_start") == types.count("message_stop") == 1


async def test_a_blocking_answer_of_several_rounds() -> None:
    async with client(played(TURN, streaming=False)) as ai:
        message = await ai.messages.create(**ASKED)

    assert (message.id, message.stop_reason) == (UUID, "end_turn")
    assert "".join(item.text for item in message.content if item.type == "text") == "Let me look. It is five."
    assert (message.usage.input_tokens, message.usage.output_tokens) == (30, 15)


@pytest.mark.parametrize("begun", [True, False])
async def test_our_failure_is_raised_with_its_words(begun: bool) -> None:
    answers = [VOICE.answer(TURN[0], streaming=True)] if begun else []
    turn = play(VOICE, VOICE.request(streaming=True), [*answers, Answer([b":\n\n"], cut=UpstreamError("was reset"))])
    async with client(turn) as ai:
        with pytest.raises(anthropic.APIStatusError, match="was reset"):
            async with ai.messages.stream(**ASKED) as events:
                await events.until_done()


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_overloaded_provider_is_told_as_such(streaming: bool) -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    refused = Answer([body], 529, ((b"content-type", b"application/json"),))
    turn = play(VOICE, VOICE.request(streaming=streaming), [refused])
    async with client(turn) as ai:
        with pytest.raises(anthropic.APIStatusError, match="Overloaded") as caught:
            await ai.messages.create(**ASKED, stream=streaming)
    assert caught.value.status_code == 529
