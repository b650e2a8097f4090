"""Messages, as the official client sees them."""

from typing import Any

import httpx2
import msgspec
import pytest
from anthropic import APIStatusError, AsyncAnthropic, OverloadedError, RateLimitError
from anthropic.types import Message, RawMessageStreamEvent

from aibridge.testing import (
    FakeAnthropic,
    Usage,
    answer,
    call,
    chunks,
    comment,
    commentary,
    completion,
    error,
    error_event,
    grouped,
    overloaded,
    ping,
    rate_limited,
    raw,
    redacted_thought,
    thought,
    truncate,
    web_search,
    words,
)
from tests.testing.conftest import ConnectAnthropic

ASK: Any = {"model": "claude-x", "max_tokens": 1000, "messages": [{"role": "user", "content": "hello"}]}
USAGE = Usage(input=100, output=50, cached=40, cache_write=8, cache_write_1h=3, reasoning=20)


async def stream(client: AsyncAnthropic) -> list[RawMessageStreamEvent]:
    return [event async for event in await client.messages.create(**ASK, stream=True)]


async def both(connect_anthropic: ConnectAnthropic, given: Any) -> Message:
    """The message that the client puts together from a stream, which must be the one that a body holds."""
    async with FakeAnthropic(given) as provider:
        client = connect_anthropic(provider)
        async with client.messages.stream(**ASK) as events:
            streamed = await events.get_final_message()
        whole = await client.messages.create(**ASK)
    assert _known(streamed) == _known(whole)
    return streamed


def _known(message: Message) -> Any:
    """Without what is new in each answer, and what the client adds."""
    seen = message.to_dict(exclude_none=True)
    seen.pop("id")
    for block in seen["content"]:  # type: ignore[attr-defined]  # a list of blocks
        for name in ("id", "tool_use_id", "parsed_output"):
            block.pop(name, None)
        for result in block.get("content", []):
            result.pop("encrypted_content")
    return seen


async def post(http: httpx2.AsyncClient, provider: FakeAnthropic, **body: object) -> str:
    response = await http.post(f"{provider.url}/v1/messages", json={"stream": True, **body})
    return response.text


async def test_a_text_goes_through_its_whole_lifecycle(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic(answer(words("It is noon."))) as provider:
        seen = await stream(connect_anthropic(provider))
    assert [event.type for event in seen] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start = seen[0]
    assert start.type == "message_start"
    assert start.message.id.startswith("msg_")
    assert (start.message.model, start.message.stop_reason, start.message.content) == ("claude-x", None, [])


async def test_events_are_named_and_a_ping_stands_among_them(http: httpx2.AsyncClient) -> None:
    async with FakeAnthropic(answer("Hi", call("time"))) as provider:
        seen = await post(http, provider)
    assert seen.startswith('event: message_start\ndata: {"type":"message_start","message":{"model":"fake-model",')
    assert seen.count('event: ping\ndata: {"type":"ping"}\n\n') == 1
    assert seen.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')


async def test_a_body_holds_what_the_stream_says(connect_anthropic: ConnectAnthropic) -> None:
    seen = await both(connect_anthropic, answer(words("It is noon."), usage=USAGE, model="claude-y"))
    assert (seen.type, seen.role, seen.model, seen.stop_reason) == ("message", "assistant", "claude-y", "end_turn")
    assert seen.content[0].to_dict(exclude_none=True) == {"type": "text", "text": "It is noon."}


async def test_an_answer_may_have_an_id(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic(answer("Hi", id="msg_1")) as provider:
        assert (await connect_anthropic(provider).messages.create(**ASK)).id == "msg_1"


async def test_usage_counts_cached_tokens_apart(connect_anthropic: ConnectAnthropic) -> None:
    seen = await both(connect_anthropic, answer("Hi", usage=USAGE))
    assert seen.usage.to_dict() == {
        "input_tokens": 52,
        "cache_creation_input_tokens": 8,
        "cache_read_input_tokens": 40,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 3},
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 20},
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


async def test_usage_grows_from_the_start_to_the_end(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic(answer("Hi", usage=USAGE)) as provider:
        start, *_, end, _ = await stream(connect_anthropic(provider))
    assert start.type == "message_start"
    assert end.type == "message_delta"
    assert (start.message.usage.input_tokens, start.message.usage.output_tokens) == (52, 1)
    assert end.usage.to_dict() == {
        "input_tokens": 52,
        "cache_creation_input_tokens": 8,
        "cache_read_input_tokens": 40,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 20},
    }


async def test_a_provider_may_report_no_usage(http: httpx2.AsyncClient) -> None:
    async with FakeAnthropic(answer("Hi", usage=None)) as provider:
        assert "usage" not in await post(http, provider)
        assert "usage" not in await post(http, provider, stream=False)


async def test_parallel_calls_beside_text(connect_anthropic: ConnectAnthropic) -> None:
    given = answer("I'll look.", call("time", {"zone": "UTC"}, id="toolu_1", split=2), call("date", "", id="toolu_2"))
    seen = await both(connect_anthropic, given)
    assert seen.stop_reason == "tool_use"
    assert [block.to_dict(exclude_none=True) for block in seen.content[1:]] == [
        {"type": "tool_use", "id": "toolu_1", "name": "time", "input": {"zone": "UTC"}},
        {"type": "tool_use", "id": "toolu_2", "name": "date", "input": {}},
    ]


async def test_calls_stream_their_arguments(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic(answer("a", call("time", {"zone": "UTC"}, split=2))) as provider:
        seen = await stream(connect_anthropic(provider))
    deltas = [(event.index, event.delta.to_dict()) for event in seen if event.type == "content_block_delta"]
    assert deltas[1:] == [
        (1, {"type": "input_json_delta", "partial_json": piece}) for piece in ("", '{"zone"', ':"UTC"}')
    ]


@pytest.mark.parametrize("arguments", ['{"zo', "[1]"])
async def test_arguments_that_are_no_object_are_none_in_a_body(http: httpx2.AsyncClient, arguments: str) -> None:
    async with FakeAnthropic(answer(call("time", arguments), finish="length")) as provider:
        seen = msgspec.json.decode(await post(http, provider, stream=False))
    assert (seen["content"][0]["input"], seen["stop_reason"]) == ({}, "max_tokens")


async def test_thoughts_are_signed(connect_anthropic: ConnectAnthropic) -> None:
    seen = await both(connect_anthropic, answer(thought("Hm, well.", signature="c2ln", split=3), "Hi"))
    assert seen.content[0].to_dict() == {"type": "thinking", "thinking": "Hm, well.", "signature": "c2ln"}
    async with FakeAnthropic(answer(thought("Hm, well.", split=3), thought(""))) as provider:
        events = await stream(connect_anthropic(provider))
    kinds = [event.delta.type for event in events if event.type == "content_block_delta"]
    assert kinds == ["thinking_delta"] * 3 + ["signature_delta"] * 2


async def test_each_thought_has_a_signature_of_its_own(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic(answer(thought("a"), thought("a"))) as provider:
        seen = await connect_anthropic(provider).messages.create(**ASK)
    signatures = [block.signature for block in seen.content if block.type == "thinking"]
    assert len({*signatures}) == 2
    assert all(signatures)


async def test_thoughts_can_be_redacted(connect_anthropic: ConnectAnthropic) -> None:
    seen = await both(connect_anthropic, answer(redacted_thought("ZGF0YQ=="), redacted_thought(), "Hi"))
    assert seen.content[0].to_dict() == {"type": "redacted_thinking", "data": "ZGF0YQ=="}
    assert seen.content[1].type == "redacted_thinking"
    assert seen.content[1].data


async def test_the_provider_can_search_the_web(connect_anthropic: ConnectAnthropic) -> None:
    seen = await both(connect_anthropic, answer(web_search("noon", ("Noon", "https://x.test"), split=2), "It is."))
    search, found, text = seen.content
    assert search.type == "server_tool_use"
    assert (search.name, search.input) == ("web_search", {"query": "noon"})
    assert found.type == "web_search_tool_result"
    assert found.tool_use_id == search.id
    assert isinstance(found.content, list)
    assert (found.content[0].title, found.content[0].url) == ("Noon", "https://x.test")
    assert text.type == "text"
    assert seen.stop_reason == "end_turn"
    assert seen.usage.server_tool_use
    assert seen.usage.server_tool_use.web_search_requests == 1


async def test_a_search_can_fail(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic(answer(web_search("noon", error="max_uses_exceeded"))) as provider:
        seen = (await connect_anthropic(provider).messages.create(**ASK)).content[1]
    assert seen.to_dict()["content"] == {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
        ("refusal", "refusal"),
        ("pause_turn", "pause_turn"),
        ("stop_sequence", "stop_sequence"),
    ],
)
async def test_it_says_in_its_words_why_it_stopped(
    connect_anthropic: ConnectAnthropic, finish: Any, reason: str
) -> None:
    seen = await both(connect_anthropic, answer("Hi", finish=finish))
    assert seen.stop_reason == reason
    assert (seen.stop_details is not None) == (reason == "refusal")


async def test_commentary_is_text_and_grouped_pieces_leave_together(connect_anthropic: ConnectAnthropic) -> None:
    seen = await both(
        connect_anthropic, answer("It ", commentary("is "), grouped("noon", comment("x"), "."), call("f"))
    )
    assert seen.content[0].to_dict(exclude_none=True) == {"type": "text", "text": "It is noon."}


async def test_pings_comments_and_raw_bytes_stand_where_they_are_put(http: httpx2.AsyncClient) -> None:
    async with FakeAnthropic(answer(comment("first"), "Hi", ping(), raw(b"data: odd\r\n\r\n"))) as provider:
        seen = await post(http, provider)
    assert seen.startswith(": first\n\nevent: message_start\n")
    assert seen.count("event: ping\n") == 2
    assert seen.index('"Hi"') < seen.index("data: odd\r\n\r\n") < seen.index("content_block_stop")


async def test_an_error_event_ends_the_stream(connect_anthropic: ConnectAnthropic, http: httpx2.AsyncClient) -> None:
    given = answer("Hi", error_event("Overloaded", type="overloaded_error"), "!")
    async with FakeAnthropic([given, answer(error_event("no"))]) as provider:
        with pytest.raises(APIStatusError) as caught:
            await stream(connect_anthropic(provider))
        seen = await post(http, provider)
    assert caught.value.body == {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert seen.endswith('event: error\ndata: {"type":"error","error":{"type":"api_error","message":"no"}}\n\n')


async def test_an_error_event_in_a_blocking_answer_is_an_error(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic(answer("Hi", error_event("too much"))) as provider:
        with pytest.raises(APIStatusError, match="too much") as caught:
            await connect_anthropic(provider).messages.create(**ASK)
    assert caught.value.status_code == 500


async def test_a_truncated_stream_lacks_its_end(http: httpx2.AsyncClient) -> None:
    async with FakeAnthropic(answer("Hi", truncate(), "!")) as provider:
        seen = await post(http, provider)
    assert seen.endswith('"delta":{"type":"text_delta","text":"Hi"}}\n\n')


async def test_a_stream_or_a_body_can_be_put_together_by_hand(http: httpx2.AsyncClient) -> None:
    given: list[Any] = [
        chunks({"type": "message_start", "odd": 1}, {"odd": 2}, error_event("no")),
        completion({"odd": 3}),
    ]
    async with FakeAnthropic(given) as provider:
        seen = [await post(http, provider), await post(http, provider, stream=False)]
    assert seen == [
        'event: message_start\ndata: {"type":"message_start","odd":1}\n\ndata: {"odd":2}\n\n'
        'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"no"}}\n\n',
        '{"odd":3}',
    ]


async def test_an_error_has_anthropics_form(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic(error(400, "no such model")) as provider:
        with pytest.raises(APIStatusError) as caught:
            await connect_anthropic(provider).messages.create(**ASK)
    assert caught.value.request_id
    assert caught.value.request_id.startswith("req_")
    assert caught.value.body == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "no such model"},
        "request_id": caught.value.request_id,
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
async def test_the_type_follows_from_the_status(http: httpx2.AsyncClient, status: int, kind: str) -> None:
    async with FakeAnthropic(error(status, "no")) as provider:
        assert msgspec.json.decode(await post(http, provider))["error"]["type"] == kind


async def test_it_may_be_overloaded_or_used_too_much(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic([overloaded(), overloaded("Later.", retry_after=3), rate_limited(20)]) as provider:
        client = connect_anthropic(provider)
        with pytest.raises(OverloadedError, match="Overloaded"):
            await client.messages.create(**ASK)
        with pytest.raises(OverloadedError, match="Later") as late:
            await client.messages.create(**ASK)
        with pytest.raises(RateLimitError, match="rate_limit_error") as limited:
            await client.messages.create(**ASK)
    assert late.value.response.headers["retry-after"] == "3"
    assert limited.value.response.headers["retry-after"] == "20"


async def test_tool_results_are_read_from_the_messages(http: httpx2.AsyncClient) -> None:
    results = [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "noon"},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "today"}]},
        {"type": "tool_result", "tool_use_id": "toolu_3"},
        {"type": "text", "text": "well?"},
    ]
    messages = [{"role": "user", "content": "when?"}, {"role": "user", "content": results}]
    async with FakeAnthropic(answer("Hi")) as provider:
        await post(http, provider, messages=messages, tools=[{"name": "time", "input_schema": {}}])
    assert provider.requests[0].tool_results == {"toolu_1": "noon", "toolu_2": "today", "toolu_3": ""}
    assert provider.requests[0].tool_names == ["time"]
