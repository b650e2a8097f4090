"""What OpenAI's client makes of Responses of several rounds."""

from __future__ import annotations

import httpx2
import openai
import pytest

from aibridge.errors import UpstreamError
from tests.dialects.playing import CITY, TIME, Played, Said, Say, play
from tests.dialects.responses import ResponsesVoice, call, reasoning, told, words
from tests.twins import Answer

VOICE = ResponsesVoice()
TURN = [
    Say("Let me look. ", (Said("call-1", TIME.name),), thought="Hm."),
    Say("", (Said("call-2", TIME.name, '{"zone":"UTC"}'), Said("call-3", CITY.name)), id="resp-2"),
    Say("It is five.", id="resp-3", thought="Ah."),
]
MIXED = [TURN[0], Say("Your turn.", (Said("call-3", TIME.name), Said("call-4", "edit", '{"path":"a b"}')), id="resp-2")]


def played(turn: list[Say], *, streaming: bool = True) -> Played:
    return play(VOICE, VOICE.request(streaming=streaming), [VOICE.answer(say, streaming=streaming) for say in turn])


def client(turn: Played) -> openai.AsyncOpenAI:
    """The official client, before an answer that was recorded."""
    headers = {name.decode(): value.decode() for name, value in turn.head.headers}

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(turn.head.status, headers=headers, content=turn.body)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    return openai.AsyncOpenAI(api_key="k", base_url="http://127.0.0.1/v1", http_client=http, max_retries=0)


async def test_a_stream_of_several_rounds_is_one_response() -> None:
    async with client(played(TURN)) as ai:
        events = [event async for event in await ai.responses.create(model="m", input="x", stream=True)]

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == (
        "Let me look. It is five."
    )
    added = [event for event in events if event.type == "response.output_item.added"]
    assert [(event.output_index, event.item.type) for event in added] == [
        (0, "reasoning"),
        (1, "message"),
        (2, "reasoning"),
        (3, "message"),
    ]
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.id == "resp-1"
    assert last.response.output_text == "Let me look. It is five."
    assert last.response.usage is not None
    assert last.response.usage.total_tokens == 45


@pytest.mark.parametrize("turn", [TURN, MIXED, TURN[2:], MIXED[1:]], ids=["injected", "mixed", "plain", "mixed alone"])
async def test_the_clients_own_accumulator_takes_it(turn: list[Say]) -> None:
    async with client(played(turn)) as ai, ai.responses.stream(model="m", input="x") as events:
        response = await events.get_final_response()

    assert response.id == turn[0].id
    assert response.output_text == "".join(say.text for say in turn)
    calls = [item for item in response.output if item.type == "function_call"]
    assert [(item.call_id, item.name, item.arguments) for item in calls] == [
        ("call-4", "edit", '{"path":"a b"}') for say in turn for said in say.calls if said.name == "edit"
    ]


async def test_the_accumulator_takes_an_incomplete_response() -> None:
    turn = played([TURN[0], Say("It is", (Said("call-9", TIME.name, "{"),), finish="length", id="resp-2")])
    async with client(turn) as ai, ai.responses.stream(model="m", input="x") as events:
        last = [event async for event in events][-1]

    assert last.type == "response.incomplete"
    assert last.response.output_text == "Let me look. It is"


async def test_the_accumulator_takes_what_the_provider_itself_called() -> None:
    search = {
        "id": "ws-1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    }
    first = told(reasoning("Hm."), search, words("Look."), call("call-1", TIME.name))
    turn = play(VOICE, VOICE.request(streaming=True), [first, told(words("Five.", "msg-2"), id="resp-2")])
    async with client(turn) as ai, ai.responses.stream(model="m", input="x") as events:
        response = await events.get_final_response()

    assert [item.type for item in response.output] == ["reasoning", "web_search_call", "message", "message"]


async def test_a_blocking_answer_of_several_rounds() -> None:
    async with client(played(TURN, streaming=False)) as ai:
        response = await ai.responses.create(model="m", input="x")

    assert (response.id, response.output_text) == ("resp-1", "Let me look. It is five.")
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (30, 15)


@pytest.mark.parametrize("begun", [True, False])
async def test_our_failure_reaches_the_client(begun: bool) -> None:
    answers = [VOICE.answer(TURN[0], streaming=True)] if begun else []
    turn = play(VOICE, VOICE.request(streaming=True), [*answers, Answer([b":\n\n"], cut=UpstreamError("reset"))])
    async with client(turn) as ai:
        events = [event async for event in await ai.responses.create(model="m", input="x", stream=True)]

    error, failed = events[-2:]
    assert error.type == "error"
    assert error.message == "reset"
    assert failed.type == "response.failed"
    assert failed.response.error is not None
    assert (failed.response.status, failed.response.error.message) == ("failed", "reset")


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_refusal_is_raised_as_the_providers(streaming: bool) -> None:
    refused = Answer(
        [b'{"error":{"message":"no such model","code":"x"}}'], 404, ((b"content-type", b"application/json"),)
    )
    turn = play(VOICE, VOICE.request(streaming=streaming), [refused])
    async with client(turn) as ai:
        with pytest.raises(openai.NotFoundError, match="no such model"):
            await ai.responses.create(model="m", input="x", stream=streaming)
