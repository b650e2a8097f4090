"""What means the same to the provider looks the same; everything else does not."""

from typing import Any

import httpx2

from aibridge.testing import FakeAnthropic, FakeOpenAI, View, answer
from aibridge.testing.view import view_of_chat, view_of_messages, view_of_responses

NOON = {"type": "text", "text": "noon"}


def test_a_conversation_goes_on_where_it_was() -> None:
    earlier = View((b"t",), (b"i",), (b"1", b"2"))
    assert View((b"t",), (b"i",), (b"1", b"2")).continues(earlier)
    assert View((b"t",), (b"i",), (b"1", b"2", b"3")).continues(earlier)
    assert not View((b"t",), (b"i",), (b"1",)).continues(earlier)
    assert not View((b"t",), (b"i",), (b"2", b"1", b"3")).continues(earlier)
    assert not View((b"u",), (b"i",), (b"1", b"2")).continues(earlier)
    assert not View((b"t",), (b"j",), (b"1", b"2")).continues(earlier)


def test_chat_says_one_thing_in_several_ways() -> None:
    short = {"role": "assistant", "content": "noon"}
    long = {"role": "assistant", "content": [NOON], "refusal": None, "annotations": []}
    assert view_of_chat({"messages": [short]}) == view_of_chat({"messages": [long]})
    assert view_of_chat({"messages": [short], "tools": [{"a": 1}]}) == View(
        (b'{"a":1}',), (), (b'{"role":"assistant","content":[{"type":"text","text":"noon"}]}',)
    )
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]}
    assert view_of_chat({"messages": [call]}).conversation == (b'{"role":"assistant","tool_calls":[{"id":"a"}]}',)


def test_messages_say_one_thing_in_several_ways() -> None:
    cached = {"cache_control": {"type": "ephemeral"}}
    result = {"type": "tool_result", "tool_use_id": "a"}
    short = {
        "system": "Be brief.",
        "tools": [{"name": "t"}],
        "messages": [
            {"role": "user", "content": "noon"},
            {"role": "user", "content": [{**result, "content": "noon"}]},
        ],
    }
    long = {
        "system": [{"type": "text", "text": "Be brief.", **cached}],
        "tools": [{"name": "t", **cached}],
        "messages": [{"role": "user", "content": [NOON, {**result, "content": [{**NOON, **cached}], **cached}]}],
    }
    assert view_of_messages(short) == view_of_messages(long)
    assert view_of_messages(short).conversation[0] == b'["user",{"type":"text","text":"noon"}]'


def test_arguments_are_left_alone() -> None:
    def view(**given: Any) -> View:
        use = {"type": "tool_use", "id": "a", "name": "t", "input": given}
        return view_of_messages({"messages": [{"role": "assistant", "content": [use]}]})

    assert view(cache_control=None, b=1) != view(b=1)
    assert view(a=1, b=2) != view(b=2, a=1)


def test_responses_say_one_thing_in_several_ways() -> None:
    said = {"type": "output_text", "text": "noon"}
    short: list[dict[str, Any]] = [{"role": "user", "content": "when?"}, {"role": "assistant", "content": "noon"}]
    long: list[dict[str, Any]] = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "when?"}]},
        {
            "id": "msg_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{**said, "annotations": [], "logprobs": None}],
        },
    ]
    assert view_of_responses({}, short) == view_of_responses({}, long)
    call = {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "a"}
    view = view_of_responses({"instructions": "Be brief.", "tools": []}, [call])
    assert view == View((), (b'"Be brief."',), (b'{"type":"function_call","call_id":"a"}',))


def test_odd_requests_are_viewed_too() -> None:
    for odd in ({}, {"messages": 7, "tools": "x", "system": 1}, {"messages": [7, {}, {"content": [7]}]}):
        assert view_of_messages(odd).tools == ()
        assert view_of_chat(odd).tools == ()


async def test_a_fake_shows_what_its_handler_was_asked(http: httpx2.AsyncClient) -> None:
    async with FakeAnthropic(answer("Hi")) as provider:
        await http.post(
            f"{provider.url}/v1/messages/count_tokens", json={"messages": [{"role": "user", "content": "a"}]}
        )
        await http.post(f"{provider.url}/v1/messages", json={"messages": [{"role": "user", "content": "b"}]})
    assert [view.conversation for view in provider.views] == [(b'["user",{"type":"text","text":"b"}]',)]


async def test_a_fake_that_remembers_nothing_shows_the_id_of_what_came_before(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer("Hi", id="resp_1")) as provider:
        for body in ({"input": "a"}, {"input": "b", "previous_response_id": "resp_1"}):
            await http.post(f"{provider.url}/responses", json=body)
    assert provider.views[1].conversation[0] == b'{"type":"previous_response","previous_response_id":"resp_1"}'
