import httpx2

from aibridge.testing import FakeOpenAI, Gate, answer, call, prepare, wait
from tests.testing.conftest import Connect


async def test_an_agent_can_be_tested_with_it(connect: Connect) -> None:
    script = [answer("I'll look. ", call("get_time", {"zone": "UTC"}, id="call_1")), answer("It is ", "noon.")]
    async with FakeOpenAI(script) as provider:
        chat = connect(provider).chat.completions
        messages: list[object] = [{"role": "user", "content": "What time is it?"}]
        first = (await chat.create(model="gpt-6", messages=messages)).choices[0].message  # type: ignore[arg-type]  # replayed
        messages += [first, {"role": "tool", "tool_call_id": "call_1", "content": "12:00"}]
        last = (await chat.create(model="gpt-6", messages=messages)).choices[0].message  # type: ignore[arg-type]  # replayed
    assert last.content == "It is noon."
    assert provider.requests[1].tool_results == {"call_1": "12:00"}


async def test_a_reply_can_be_prepared_for_load(http: httpx2.AsyncClient) -> None:
    streamed = prepare(answer("a", "b"), stream=True, model="gpt-6")
    whole = prepare(answer("a", "b"), dialect="responses")
    async with FakeOpenAI([streamed, whole]) as provider:
        stream = await http.post(f"{provider.url}/chat/completions", json={})
        body = await http.post(f"{provider.url}/responses", json={})
    assert stream.text.count("data: ") == 5
    assert '"model":"gpt-6"' in stream.text
    assert body.json()["output"][0]["content"][0]["text"] == "ab"


async def test_a_prepared_reply_may_leave_in_one_piece() -> None:
    gate = wait(Gate())
    pieces = list(prepare(answer("a", gate, "b"), stream=True, in_one_piece=True).body)
    assert [isinstance(piece, bytes) for piece in pieces] == [True, False, True]
    assert pieces[1] is gate
    assert len(list(prepare(answer("a", "b"), stream=True, in_one_piece=True).body)) == 1
