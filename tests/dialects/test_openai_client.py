"""What OpenAI's client makes of a chat of several rounds."""

from __future__ import annotations

import httpx2
import openai
import pytest

from tests.dialects.chat import Chat, calling, chunk, piece, stream, usage_chunk, words
from tests.dialects.playing import TIME, UUID, Played, Said, Say, play
from tests.twins import Answer

CHAT = Chat()
TURN = [
    Say("Let me look. ", (Said("call-1", TIME.name),)),
    Say("Once more. ", (Said("call-2", TIME.name, '{"zone":"UTC"}'),), id="resp-2"),
    Say("It is five.", id="resp-3"),
]
MIXED = [TURN[0], Say("Your turn.", (Said("call-3", TIME.name), Said("call-4", "edit", '{"path":"a b"}')), id="resp-2")]


def played(turn: list[Say], *, streaming: bool = True) -> Played:
    rounds = [CHAT.answer(say, streaming=streaming) for say in turn]
    return play(CHAT, CHAT.request(streaming=streaming), rounds)


def client(turn: Played) -> openai.AsyncOpenAI:
    """The official client, before an answer that was recorded."""
    headers = {name.decode(): value.decode() for name, value in turn.head.headers}

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(turn.head.status, headers=headers, content=turn.body)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    return openai.AsyncOpenAI(api_key="k", base_url="http://127.0.0.1/v1", http_client=http, max_retries=0)


async def test_a_stream_of_several_rounds_is_one_message() -> None:
    async with client(played(TURN)) as ai:
        chunks = [item async for item in await ai.chat.completions.create(model="gpt-x", messages=[], stream=True)]

    told = [choice for item in chunks for choice in item.choices]
    assert "".join(choice.delta.content or "" for choice in told) == "Let me look. Once more. It is five."
    assert {item.id for item in chunks} == {UUID}
    assert [choice.delta.role for choice in told if choice.delta.role] == ["assistant"]
    assert [choice.finish_reason for choice in told if choice.finish_reason] == ["stop"]
    [usage] = [item.usage for item in chunks if item.usage]
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (30, 15, 45)


async def test_the_clients_own_accumulator_takes_it() -> None:
    async with client(played(TURN)) as ai, ai.chat.completions.stream(model="gpt-x", messages=[]) as events:
        completion = await events.get_final_completion()

    assert completion.id == UUID
    assert completion.choices[0].message.role == "assistant"
    assert completion.choices[0].message.content == "Let me look. Once more. It is five."
    assert completion.choices[0].message.tool_calls is None
    assert completion.choices[0].finish_reason == "stop"


async def test_the_accumulator_takes_a_mixed_round() -> None:
    async with client(played(MIXED)) as ai, ai.chat.completions.stream(model="gpt-x", messages=[]) as events:
        completion = await events.get_final_completion()

    [choice] = completion.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "Let me look. Your turn.")
    [call] = choice.message.tool_calls or []
    assert call.type == "function"
    assert (call.id, call.function.name, call.function.arguments) == ("call-4", "edit", '{"path":"a b"}')


async def test_the_accumulator_takes_calls_that_were_kept_back() -> None:
    pieces = [piece(1, "call-1", "bmcp_"), piece(1, name="srv"), piece(1, arguments="{"), piece(1, arguments="}")]
    sent = stream(words("", role="assistant"), *map(calling, pieces), chunk(finish="tool_calls"), usage_chunk())
    turn = play(CHAT, CHAT.request(streaming=True), [sent])
    async with client(turn) as ai, ai.chat.completions.stream(model="gpt-x", messages=[]) as events:
        completion = await events.get_final_completion()

    [call] = completion.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.id, call.function.name, call.function.arguments) == ("call-1", "bmcp_srv", "{}")


async def test_a_blocking_answer_of_several_rounds() -> None:
    async with client(played(TURN, streaming=False)) as ai:
        completion = await ai.chat.completions.create(model="gpt-x", messages=[])

    assert (completion.id, completion.object) == (UUID, "chat.completion")
    assert completion.choices[0].message.content == "Let me look. Once more. It is five."
    assert completion.usage is not None
    assert completion.usage.total_tokens == 45


async def test_an_error_in_the_stream_is_raised_with_its_words() -> None:
    refused = Answer([b'{"error":{"message":"slow down"}}'], 429)
    turn = play(CHAT, CHAT.request(streaming=True), [CHAT.answer(TURN[0], streaming=True), refused])
    async with client(turn) as ai:
        answer = await ai.chat.completions.create(model="gpt-x", messages=[], stream=True)
        with pytest.raises(openai.APIError, match="slow down"):
            async for _ in answer:
                pass


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_refusal_is_raised_as_the_providers(streaming: bool) -> None:
    refused = Answer(
        [b'{"error":{"message":"no such model","code":"x"}}'], 404, ((b"content-type", b"application/json"),)
    )
    turn = play(CHAT, CHAT.request(streaming=streaming), [refused])
    async with client(turn) as ai:
        with pytest.raises(openai.NotFoundError, match="no such model") as caught:
            await ai.chat.completions.create(model="gpt-x", messages=[], stream=streaming)
    assert caught.value.code == "x"
