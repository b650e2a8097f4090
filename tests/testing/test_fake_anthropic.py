import httpx2
import pytest
from anthropic import Anthropic
from anthropic.types import MessageParam, ToolParam, ToolResultBlockParam

from aibridge.testing import FakeAnthropic, Gate, answer, call, prepare, wait
from tests.testing.conftest import ConnectAnthropic

TIME: ToolParam = {"name": "get_time", "input_schema": {"type": "object"}}


async def test_an_agent_can_be_tested_with_it(connect_anthropic: ConnectAnthropic) -> None:
    script = [answer("I'll look. ", call("get_time", {"zone": "UTC"}, id="toolu_1")), answer("It is ", "noon.")]
    async with FakeAnthropic(script, strict=True) as provider:
        client = connect_anthropic(provider)
        messages: list[MessageParam] = [{"role": "user", "content": "What time is it?"}]
        async with client.messages.stream(model="claude-x", max_tokens=9, messages=messages, tools=[TIME]) as events:
            first = await events.get_final_message()
        result: ToolResultBlockParam = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "12:00"}
        messages += [first.to_param(), {"role": "user", "content": [result]}]
        last = await client.messages.create(model="claude-x", max_tokens=9, messages=messages, tools=[TIME])
    assert last.content[0].to_dict()["text"] == "It is noon."
    assert provider.requests[1].tool_results == {"toolu_1": "12:00"}
    assert provider.faults == []


def test_synchronous_code_is_served_from_a_thread() -> None:
    gate = Gate()
    gate.open()
    with FakeAnthropic(answer("It is", wait(gate), " noon.")) as provider:
        with Anthropic(base_url=provider.url, api_key="made-up", http_client=httpx2.Client(verify=False)) as client:
            ask: list[MessageParam] = [{"role": "user", "content": "when?"}]
            with client.messages.stream(model="claude-x", max_tokens=9, messages=ask) as stream:
                seen = [*stream.text_stream]
            whole = client.messages.create(model="claude-x", max_tokens=9, messages=ask)
            counted = client.messages.count_tokens(model="claude-x", messages=ask)
    assert seen == ["It is", " noon."]
    assert whole.content[0].to_dict()["text"] == "It is noon."
    assert counted.input_tokens > 0


async def test_its_handler_sees_headers_and_query(connect_anthropic: ConnectAnthropic) -> None:
    ask: list[MessageParam] = [{"role": "user", "content": "Hi"}]
    betas, query = {"anthropic-beta": "context-1m"}, {"beta": "true"}
    async with FakeAnthropic(answer("Hi")) as provider:
        create = connect_anthropic(provider).messages.create
        await create(model="claude-x", max_tokens=9, messages=ask, extra_headers=betas, extra_query=query)
    request = provider.requests[0]
    assert (request.path, request.query) == ("/v1/messages", "beta=true")
    assert request.headers["anthropic-beta"] == "context-1m"
    assert request.headers["anthropic-version"]
    assert request.messages == [{"role": "user", "content": "Hi"}]


async def test_models_can_be_listed_and_looked_up(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic() as provider:
        client = connect_anthropic(provider)
        assert [model.id async for model in client.models.list(limit=1000)] == ["fake-model"]
        found = await client.models.retrieve("claude-x")
    assert (found.id, found.lifecycle, found.created_at.year) == ("claude-x", "active", 2026)


async def test_tokens_can_be_counted(connect_anthropic: ConnectAnthropic) -> None:
    async with FakeAnthropic() as provider:
        client = connect_anthropic(provider)
        short = await client.messages.count_tokens(model="x", messages=[{"role": "user", "content": "Hi"}])
        long = await client.messages.count_tokens(model="x", messages=[{"role": "user", "content": "Hi" * 100}])
    assert 0 < short.input_tokens < long.input_tokens


async def test_small_talk_is_answered(http: httpx2.AsyncClient) -> None:
    async with FakeAnthropic() as provider:
        head = await http.head(f"{provider.url}/api/hello")
        hello = await http.get(f"{provider.url}/api/hello")
        logged = await http.post(f"{provider.url}/api/event_logging/batch", json={"events": [{}, {}]})
        nothing = await http.post(f"{provider.url}/api/event_logging/v2/batch", json={})
    assert (head.status_code, head.content) == (200, b"")
    assert hello.json() == {"message": "hello"}
    assert [logged.json()["accepted_count"], nothing.json()["accepted_count"]] == [2, 0]


async def test_other_routes_are_not_found_in_anthropics_form(http: httpx2.AsyncClient) -> None:
    async with FakeAnthropic() as provider:
        seen = await http.post(f"{provider.url}/v1/complete", json={})
    assert seen.status_code == 404
    assert seen.json()["error"] == {"type": "not_found_error", "message": "Invalid URL (POST /v1/complete)"}
    assert seen.headers["request-id"] == seen.json()["request_id"]


async def test_its_url_is_the_origin() -> None:
    async with FakeAnthropic() as provider:
        assert provider.url == provider.origin


async def test_a_reply_can_be_prepared_for_load(http: httpx2.AsyncClient) -> None:
    async with FakeAnthropic(prepare(answer("a", "b"), dialect="messages", stream=True)) as provider:
        seen = await http.post(f"{provider.url}/v1/messages", json={})
    assert seen.text.count('"text_delta"') == 2


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_a_strict_one_refuses_in_anthropics_form(http: httpx2.AsyncClient, path: str) -> None:
    async with FakeAnthropic(answer("Hi"), strict=True) as provider:
        seen = await http.post(f"{provider.url}{path}", json={"model": "x", "max_tokens": 1})
    assert seen.status_code == 400
    assert seen.json()["error"] == {"type": "invalid_request_error", "message": "messages: Field required"}
    assert [fault.message for fault in provider.faults] == ["messages: Field required"]


async def test_counting_tokens_needs_no_limit_of_them(http: httpx2.AsyncClient) -> None:
    body = {"model": "x", "messages": [{"role": "user", "content": "Hi"}]}
    async with FakeAnthropic(answer("Hi"), strict=True) as provider:
        counted = await http.post(f"{provider.url}/v1/messages/count_tokens", json=body)
        asked = await http.post(f"{provider.url}/v1/messages", json=body)
    assert counted.status_code == 200
    assert asked.json()["error"]["message"] == "max_tokens: Field required"
