"""Responses, as the official client sees them."""

from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI, InternalServerError
from openai.types.responses import ResponseStreamEvent

from aibridge.testing import (
    FakeOpenAI,
    Usage,
    answer,
    call,
    chunks,
    comment,
    commentary,
    error_event,
    grouped,
    redacted_thought,
    thought,
    wait,
    web_search,
    words,
)
from aibridge.testing.gate import Gate
from tests.testing.conftest import Connect


async def stream(client: AsyncOpenAI, **options: Any) -> list[ResponseStreamEvent]:
    made = await client.responses.create(model="gpt-6", input="hello", stream=True, **options)
    return [event async for event in made]


def types(events: list[ResponseStreamEvent]) -> list[str]:
    return [event.type.removeprefix("response.") for event in events]


async def test_a_text_goes_through_its_whole_lifecycle(connect: Connect) -> None:
    async with FakeOpenAI(answer("It is", " noon.")) as provider:
        seen = await stream(connect(provider))
    assert types(seen) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in seen] == list(range(10))
    last = seen[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "It is noon."
    assert last.response.status == "completed"


async def test_one_response_id_goes_through_all_events(connect: Connect) -> None:
    async with FakeOpenAI(answer("Hi")) as provider:
        seen = await stream(connect(provider))
    assert len({event.response.id for event in seen if hasattr(event, "response")}) == 1


async def test_events_are_named_after_their_type(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer("Hi")) as provider:
        seen = await http.post(f"{provider.url}/responses", json={"stream": True})
    assert seen.text.startswith('event: response.created\ndata: {"type":"response.created","sequence_number":0,')


async def test_calls_stream_their_arguments(connect: Connect) -> None:
    given = answer("I'll look.", call("time", {"zone": "UTC"}, id="call_1", split=2), call("date", id="call_2"))
    async with (
        FakeOpenAI(given) as provider,
        connect(provider).responses.stream(model="gpt-6", input="hello") as events,
    ):
        seen = [event async for event in events]
        final = await events.get_final_response()
    arguments = [event.delta for event in seen if event.type == "response.function_call_arguments.delta"]
    assert arguments == ['{"zone"', ':"UTC"}', "{}"]
    items = [(item.type, getattr(item, "call_id", None), getattr(item, "arguments", None)) for item in final.output]
    assert items == [
        ("message", None, None),
        ("function_call", "call_1", '{"zone":"UTC"}'),
        ("function_call", "call_2", "{}"),
    ]
    indexes = [event.output_index for event in seen if event.type == "response.output_item.done"]
    assert indexes == [0, 1, 2]


async def test_a_body_holds_what_the_stream_would_have_built(connect: Connect) -> None:
    usage = Usage(input=100, output=50, cached=40, cache_write=8, reasoning=20)
    given = answer(thought("hm"), "It is noon.", call("time", id="call_1"), usage=usage, id="resp_1", model="gpt-6-x")
    async with FakeOpenAI(given) as provider:
        seen = await connect(provider).responses.create(
            model="gpt-6", input="hello", instructions="Be brief.", metadata={"a": "b"}
        )
    assert (seen.id, seen.object, seen.status, seen.model) == ("resp_1", "response", "completed", "gpt-6-x")
    assert (seen.instructions, seen.metadata, seen.tool_choice) == ("Be brief.", {"a": "b"}, "auto")
    assert [item.type for item in seen.output] == ["reasoning", "message", "function_call"]
    assert seen.output_text == "It is noon."
    assert seen.usage
    assert seen.usage.to_dict() == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 8},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 150,
    }


async def test_thoughts_are_reasoning_items_with_a_summary(connect: Connect) -> None:
    async with FakeOpenAI(answer(thought("hm"), "Hi")) as provider:
        seen = await stream(connect(provider))
    assert types(seen)[2:8] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]


async def test_thoughts_are_encrypted_where_they_are_not_stored_or_where_it_is_asked_for(connect: Connect) -> None:
    async with FakeOpenAI(answer(thought("hm"), redacted_thought("c2VjcmV0"), "Hi")) as provider:
        create = connect(provider).responses.create
        plain = await create(model="gpt-6", input="hello")
        unstored = await create(model="gpt-6", input="hello", store=False)
        asked = await create(model="gpt-6", input="hello", include=["reasoning.encrypted_content"])
    for seen, encrypted in ((plain, False), (unstored, True), (asked, True)):
        shown, hidden = (item for item in seen.output if item.type == "reasoning")
        assert [bool(shown.summary), bool(hidden.summary)] == [True, False]
        assert bool(shown.encrypted_content) is encrypted
        assert hidden.encrypted_content == ("c2VjcmV0" if encrypted else None)


async def test_the_provider_can_search_the_web(connect: Connect) -> None:
    given = answer("Hm.", web_search("noon", ("Noon", "https://x.test")), web_search("x", error="unavailable"))
    async with FakeOpenAI(given) as provider:
        seen = types(await stream(connect(provider)))
        sources: Any = ["web_search_call.action.sources"]
        final = await connect(provider).responses.create(model="gpt-6", input="hello", include=sources)
    assert seen[7:13] == [
        "output_item.done",
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
    ]
    searches = [item.to_dict() for item in final.output if item.type == "web_search_call"]
    assert [search["status"] for search in searches] == ["completed", "failed"]
    assert searches[0]["action"] == {
        "type": "search",
        "query": "noon",
        "queries": ["noon"],
        "sources": [{"type": "url", "url": "https://x.test"}],
    }


async def test_commentary_is_a_message_of_its_own(connect: Connect) -> None:
    async with FakeOpenAI(answer("It ", commentary("wait "), commentary("a bit"), "is noon.")) as provider:
        seen = await connect(provider).responses.create(model="gpt-6", input="hello")
    messages = [item for item in seen.output if item.type == "message"]
    assert [(item.phase, item.content[0].to_dict()["text"]) for item in messages] == [
        (None, "It "),
        ("commentary", "wait a bit"),
        (None, "is noon."),
    ]


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
async def test_an_answer_cut_short_is_incomplete(connect: Connect, finish: Any, reason: str) -> None:
    async with FakeOpenAI(answer("Hi", call("time", '{"zo'), finish=finish)) as provider:
        last = (await stream(connect(provider)))[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details
    assert last.response.incomplete_details.reason == reason
    assert [item.to_dict()["status"] for item in last.response.output] == ["incomplete", "incomplete"]


async def test_a_provider_may_report_no_usage(connect: Connect) -> None:
    async with FakeOpenAI(answer("Hi", usage=None)) as provider:
        seen = await connect(provider).responses.create(model="gpt-6", input="hello")
    assert seen.usage is None


async def test_an_error_event_fails_the_response(connect: Connect) -> None:
    async with FakeOpenAI(answer("Hi", error_event("too much", code="rate_limit_exceeded"), "!")) as provider:
        *_, error, failed = await stream(connect(provider))
    assert error.type == "error"
    assert (error.message, error.code) == ("too much", "rate_limit_exceeded")
    assert failed.type == "response.failed"
    assert failed.response.status == "failed"
    assert failed.response.error
    assert failed.response.error.message == "too much"
    assert failed.sequence_number == error.sequence_number + 1


async def test_an_error_event_in_a_blocking_answer_is_an_error(connect: Connect) -> None:
    async with FakeOpenAI(answer(error_event("too much"))) as provider:
        with pytest.raises(InternalServerError, match="too much"):
            await connect(provider).responses.create(model="gpt-6", input="hello")


async def test_what_stands_before_the_first_word_comes_before_the_lifecycle(http: httpx2.AsyncClient) -> None:
    gate = Gate()
    gate.open()
    async with FakeOpenAI(answer(comment("one moment"), wait(gate), grouped("a", "b"))) as provider:
        seen = await http.post(f"{provider.url}/responses", json={"stream": True})
    assert seen.text.startswith(": one moment\n\nevent: response.created\n")


async def test_a_stream_can_be_put_together_by_hand(http: httpx2.AsyncClient) -> None:
    given = chunks({"type": "response.created", "odd": 1}, {"odd": 2}, error_event("no"))
    async with FakeOpenAI(given) as provider:
        seen = await http.post(f"{provider.url}/responses", json={"stream": True})
    assert seen.text == (
        'event: response.created\ndata: {"type":"response.created","odd":1}\n\ndata: {"odd":2}\n\n'
        'event: error\ndata: {"type":"error","code":"server_error","message":"no","param":null,"sequence_number":0}\n\n'
    )


async def test_tool_results_are_read_from_the_input(http: httpx2.AsyncClient) -> None:
    items = [
        {"role": "user", "content": "when?"},
        {"type": "function_call_output", "call_id": "call_1", "output": "noon"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "today"}]},
    ]
    async with FakeOpenAI(answer(words("Hi there"))) as provider:
        await http.post(f"{provider.url}/responses", json={"input": items})
    assert provider.requests[0].tool_results == {"call_1": "noon", "call_2": "today"}
