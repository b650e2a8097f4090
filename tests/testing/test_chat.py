"""Chat completions, as the official client sees them."""

import httpx2
import pytest
from openai import APIError, AsyncOpenAI, InternalServerError
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from aibridge.testing import (
    DONE,
    FakeOpenAI,
    Usage,
    answer,
    call,
    chunks,
    comment,
    commentary,
    completion,
    error_event,
    finish_chunk,
    grouped,
    raw,
    redacted_thought,
    text_chunks,
    thought,
    tool_call_chunks,
    truncate,
    usage_chunk,
    web_search,
    words,
)
from tests.testing.conftest import Connect

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
USAGE = Usage(
    input=100,
    output=50,
    cached=40,
    cache_write=8,
    reasoning=20,
    audio_input=1,
    audio_output=2,
    accepted_prediction=3,
    rejected_prediction=4,
)


async def stream(client: AsyncOpenAI, *, usage: bool = False) -> list[ChatCompletionChunk]:
    made = await client.chat.completions.create(
        model="gpt-6", messages=HELLO, stream=True, stream_options={"include_usage": usage}
    )
    return [chunk async for chunk in made]


def deltas(chunks: list[ChatCompletionChunk]) -> list[str]:
    return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]


async def post(http: httpx2.AsyncClient, provider: FakeOpenAI, **body: object) -> str:
    response = await http.post(f"{provider.url}/chat/completions", json={"stream": True, **body})
    return response.text


async def test_a_stream_holds_each_text_as_a_delta(connect: Connect) -> None:
    async with FakeOpenAI(answer(words("It is noon."))) as provider:
        seen = await stream(connect(provider))
    assert deltas(seen) == ["It", " is", " noon."]
    assert [chunk.choices[0].finish_reason for chunk in seen] == [None] * 4 + ["stop"]
    assert seen[0].choices[0].delta.role == "assistant"
    assert {(chunk.object, chunk.model, chunk.system_fingerprint) for chunk in seen} == {
        ("chat.completion.chunk", "gpt-6", "fp_fake")
    }
    assert len({chunk.id for chunk in seen}) == 1
    assert seen[0].id.startswith("chatcmpl-")


async def test_a_completion_holds_the_same_answer_whole(connect: Connect) -> None:
    async with FakeOpenAI(answer(words("It is noon."), usage=USAGE, id="chatcmpl-1", model="gpt-6-mini")) as provider:
        seen = await connect(provider).chat.completions.create(model="gpt-6", messages=HELLO)
    assert (seen.id, seen.object, seen.model) == ("chatcmpl-1", "chat.completion", "gpt-6-mini")
    assert (seen.choices[0].message.content, seen.choices[0].finish_reason) == ("It is noon.", "stop")
    assert seen.usage
    assert seen.usage.total_tokens == 150


async def test_a_usage_chunk_comes_only_where_it_is_asked_for(connect: Connect, http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer("Hi", usage=USAGE)) as provider:
        asked = await stream(connect(provider), usage=True)
        unasked = await post(http, provider)
    assert [chunk.usage is None for chunk in asked] == [True, True, True, False]
    assert asked[-1].choices == []
    assert asked[-1].usage
    assert asked[-1].usage.to_dict() == {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 8, "audio_tokens": 1},
        "completion_tokens_details": {
            "reasoning_tokens": 20,
            "audio_tokens": 2,
            "accepted_prediction_tokens": 3,
            "rejected_prediction_tokens": 4,
        },
    }
    assert "usage" not in unasked


async def test_usage_is_null_on_the_other_chunks(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer("Hi")) as provider:
        seen = await post(http, provider, stream_options={"include_usage": True})
    assert seen.count('"usage":null') == 3


async def test_a_provider_may_report_no_usage(connect: Connect) -> None:
    async with FakeOpenAI(answer("Hi", usage=None)) as provider:
        seen = await stream(connect(provider), usage=True)
        whole = await connect(provider).chat.completions.create(model="gpt-6", messages=HELLO)
    assert [chunk.usage for chunk in seen] == [None] * 3
    assert whole.usage is None


async def test_parallel_calls_beside_text_come_through_a_stream(connect: Connect) -> None:
    given = answer("I'll look.", call("time", {"zone": "UTC"}, id="call_1"), call("date", split=2, id="call_2"))
    async with FakeOpenAI(given) as provider:
        client = connect(provider)
        async with client.chat.completions.stream(model="gpt-6", messages=HELLO) as events:
            seen = (await events.get_final_completion()).choices[0]
    assert (seen.message.content, seen.finish_reason) == ("I'll look.", "tool_calls")
    assert [(made.id, made.function.name, made.function.arguments) for made in seen.message.tool_calls or []] == [
        ("call_1", "time", '{"zone":"UTC"}'),
        ("call_2", "date", "{}"),
    ]


async def test_a_call_is_one_chunk_unless_it_is_split(connect: Connect) -> None:
    given = [answer(call("get_time", "{}")), answer(call("get_time", '{"a":1}', split=3, split_name=2))]
    async with FakeOpenAI(given) as provider:
        whole, split = await stream(connect(provider)), await stream(connect(provider))
    assert functions(whole) == [("get_time", "{}")]
    assert functions(split) == [("get_", ""), ("time", None), (None, '{"a'), (None, '":1'), (None, "}")]


def functions(chunks: list[ChatCompletionChunk]) -> list[tuple[str | None, str | None]]:
    calls = [made for chunk in chunks for made in chunk.choices[0].delta.tool_calls or []]
    return [(made.function.name, made.function.arguments) for made in calls if made.function]


async def test_calls_and_thoughts_come_in_a_completion(connect: Connect) -> None:
    async with FakeOpenAI(answer(thought("hm"), call("time", {"zone": "UTC"}, id="call_1"))) as provider:
        seen = (await connect(provider).chat.completions.create(model="gpt-6", messages=HELLO)).choices[0]
    assert (seen.message.content, seen.finish_reason) == (None, "tool_calls")
    assert seen.message.to_dict()["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "time", "arguments": '{"zone":"UTC"}'}}
    ]
    assert seen.message.to_dict()["reasoning_content"] == "hm"


async def test_thoughts_and_commentary_stream(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer(thought("hm"), commentary("wait, "), "noon", finish="length")) as provider:
        seen = await post(http, provider)
    assert '"delta":{"reasoning_content":"hm"}' in seen
    assert '"delta":{"content":"wait, "}' in seen
    assert '"finish_reason":"length"' in seen


async def test_what_chat_has_no_word_for_is_left_out(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer(redacted_thought(), "Hi", web_search("noon"), finish="max_tokens")) as provider:
        seen = await post(http, provider)
    assert seen.count("data: ") == 4
    assert '"finish_reason":"length"' in seen


async def test_comments_and_raw_bytes_stand_where_they_are_put(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer(comment("first"), "Hi", raw(b"data: odd\r\n\r\n"))) as provider:
        seen = await post(http, provider)
    assert seen.startswith(": first\n\ndata: {")
    assert seen.index('"Hi"') < seen.index("data: odd\r\n\r\n") < seen.index('"finish_reason":"stop"')
    assert seen.endswith("}\n\ndata: [DONE]\n\n")


async def test_grouped_pieces_leave_in_one_write(http: httpx2.AsyncClient) -> None:
    async with (
        FakeOpenAI(answer(grouped("a", comment("b"), call("c")))) as provider,
        http.stream("POST", f"{provider.url}/chat/completions", json={"stream": True}) as response,
    ):
        whole = b"".join([data async for data in response.aiter_raw()])
    assert b'"a"' in whole
    assert b": b\n\n" in whole
    assert b'"name":"c"' in whole


async def test_an_error_event_ends_the_stream(connect: Connect, http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer("Hi", error_event("too much", type="overloaded", code="busy"), "!")) as provider:
        with pytest.raises(APIError, match="too much") as caught:
            await stream(connect(provider))
        seen = await post(http, provider)
    assert (caught.value.type, caught.value.code) == ("overloaded", "busy")
    assert seen.endswith('"code":"busy"}}\n\n')


async def test_an_error_event_in_a_blocking_answer_is_an_error(connect: Connect) -> None:
    async with FakeOpenAI(answer("Hi", error_event("too much", code="busy"))) as provider:
        with pytest.raises(InternalServerError, match="too much"):
            await connect(provider).chat.completions.create(model="gpt-6", messages=HELLO)


async def test_a_truncated_stream_lacks_its_end(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer("Hi", truncate(), "!")) as provider:
        seen = await post(http, provider)
    assert '"Hi"' in seen
    assert 'finish_reason":"stop' not in seen
    assert "[DONE]" not in seen


async def test_a_stream_can_be_put_together_by_hand(connect: Connect) -> None:
    odd = chunks(
        text_chunks("I'll ", "look."),
        tool_call_chunks("time", {"zone": "UTC"}, id="call_1"),
        tool_call_chunks("date", "{}", index=1, split=2),
        finish_chunk("tool_calls"),
        usage_chunk(Usage(input=3, output=4)),
        DONE,
    )
    async with FakeOpenAI(odd) as provider:
        seen = await stream(connect(provider))
    assert deltas(seen) == ["I'll ", "look."]
    assert seen[-2].choices[0].finish_reason == "tool_calls"
    assert seen[-1].usage
    assert seen[-1].usage.total_tokens == 7


async def test_chunks_add_nothing_of_their_own(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(chunks({"odd": 1}, b"data: raw\n\n", raw(b": x\n\n"), error_event("no"))) as provider:
        seen = await post(http, provider)
    assert seen == (
        'data: {"odd":1}\n\ndata: raw\n\n: x\n\n'
        'data: {"error":{"message":"no","type":"server_error","param":null,"code":null}}\n\n'
    )


async def test_a_completion_can_be_any_body(http: httpx2.AsyncClient) -> None:
    given = [
        completion({"odd": 1}),
        completion(b"[]"),
        completion("Hi", tool_calls=[call("f")]),
        completion(answer("Hi")),
    ]
    async with FakeOpenAI(given) as provider:
        url = f"{provider.url}/chat/completions"
        seen = [(await http.post(url, json={})).json() for _ in given]
    assert seen[:2] == [{"odd": 1}, []]
    assert seen[2]["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "f"
    assert seen[3]["choices"][0]["message"]["content"] == "Hi"


async def test_tool_results_are_read_from_the_messages(http: httpx2.AsyncClient) -> None:
    messages = [
        {"role": "user", "content": "when?"},
        {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "to"}, {"text": "day"}]},
        {"role": "tool", "tool_call_id": "call_3", "content": None},
    ]
    async with FakeOpenAI(answer("Hi")) as provider:
        await post(http, provider, messages=messages)
    assert provider.requests[0].tool_results == {"call_1": "noon", "call_2": "to\nday", "call_3": ""}
