"""What a fake provider does for its test: keeps requests, notices a client that leaves, and is loud about misuse."""

import asyncio
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from aibridge.testing import (
    DONE,
    Behaviour,
    FakeOpenAI,
    Gate,
    Misuse,
    Request,
    answer,
    chunks,
    completion,
    error,
    head,
    reply,
    text_chunks,
    wait,
)
from tests.testing.conftest import Connect

STREAM = {"model": "gpt-6", "stream": True}


async def misuse(http: httpx2.AsyncClient, given: Any, **body: object) -> tuple[httpx2.Response, Misuse]:
    """What the client and the test see where `given` is the handler's answer."""
    with pytest.raises(Misuse) as caught:
        async with FakeOpenAI(lambda request: given) as provider:
            response = await http.post(f"{provider.url}/chat/completions", json=body)
    return response, caught.value


async def test_neither_of_the_three_is_a_misuse(http: httpx2.AsyncClient) -> None:
    response, raised = await misuse(http, None)
    assert "neither chunks, nor a completion, nor an error" in str(raised)
    assert response.status_code == 500
    assert response.headers["x-should-retry"] == "false"
    assert response.json()["error"]["message"] == f"FakeOpenAI: {raised}"


async def test_several_answers_are_a_misuse(http: httpx2.AsyncClient) -> None:
    _, raised = await misuse(http, (chunks(DONE), completion("Hi")))
    assert "several answers (Chunks and Completion): it must return exactly one" in str(raised)


async def test_something_else_is_a_misuse(http: httpx2.AsyncClient) -> None:
    _, raised = await misuse(http, "Hi")
    assert "the handler returned 'Hi'" in str(raised)


async def test_chunks_for_a_blocking_request_are_a_misuse(http: httpx2.AsyncClient) -> None:
    response, raised = await misuse(http, chunks(DONE))
    assert "returned chunks, but the request does not stream" in str(raised)
    assert response.status_code == 500


async def test_a_completion_for_a_streaming_request_is_a_misuse(http: httpx2.AsyncClient) -> None:
    response, raised = await misuse(http, completion("Hi"), stream=True)
    assert "returned a completion, but the request streams" in str(raised)
    assert response.status_code == 500


async def test_a_failing_handler_is_a_misuse_with_its_cause(http: httpx2.AsyncClient) -> None:
    def check(request: Request) -> Any:
        raise ValueError("no such zone")

    with pytest.raises(Misuse, match="no such zone") as caught:
        async with FakeOpenAI(check) as provider:
            await http.post(f"{provider.url}/chat/completions", json={})
    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_failing_coroutine_is_a_misuse(http: httpx2.AsyncClient) -> None:
    async def check(request: Request) -> Any:
        raise ValueError("no such zone")

    with pytest.raises(Misuse, match="no such zone"):
        async with FakeOpenAI(check) as provider:
            await http.post(f"{provider.url}/chat/completions", json={})


async def test_a_misuse_amid_a_stream_cuts_it(http: httpx2.AsyncClient) -> None:
    provider = FakeOpenAI(chunks(text_chunks("Hi"), 7))  # type: ignore[arg-type]  # the misuse
    with pytest.raises(httpx2.ReadError) as caught:
        async with provider:
            await http.post(f"{provider.url}/chat/completions", json=STREAM)
    assert caught.value.__notes__ == ["FakeOpenAI: chunks() takes mappings, bytes and steps, not 7"]


async def test_all_misuses_are_told(http: httpx2.AsyncClient) -> None:
    with pytest.raises(Misuse) as caught:
        async with FakeOpenAI() as provider:
            await asyncio.gather(*(http.post(f"{provider.url}/responses", json={"n": n}) for n in (1, 2)))
    told = [str(caught.value), *caught.value.__notes__]
    assert [text.count("there is no answer to <Request POST /v1/responses") for text in told] == [1, 1]


async def test_a_misuse_is_noted_at_the_error_it_led_to(http: httpx2.AsyncClient) -> None:
    with pytest.raises(httpx2.HTTPStatusError) as caught:
        async with FakeOpenAI() as provider:
            (await http.post(f"{provider.url}/responses", json={})).raise_for_status()
    assert caught.value.__notes__[0].startswith("FakeOpenAI: there is no answer to <Request POST /v1/responses")


async def test_an_error_of_the_test_passes_unchanged() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with FakeOpenAI():
            raise KeyError("mine")


@pytest.mark.parametrize("body", [b"{", b"", b"[1]", b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(http: httpx2.AsyncClient, body: bytes) -> None:
    async with FakeOpenAI(answer("Hi")) as provider:
        seen = await http.post(f"{provider.url}/chat/completions", content=body)
    assert seen.status_code == 400
    assert seen.json()["error"]["type"] == "invalid_request_error"
    assert provider.requests[0].body == body
    assert provider.requests[0].messages == []


async def test_other_routes_are_not_found(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer("Hi")) as provider:
        seen = [await http.get(f"{provider.url}/chat/completions"), await http.post(f"{provider.url}/files")]
    assert [response.status_code for response in seen] == [404, 404]
    assert seen[0].json()["error"] == {
        "message": "Invalid URL (GET /v1/chat/completions)",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


async def test_paths_are_served_without_their_prefix_too(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer("Hi")) as provider:
        seen = await http.post(f"{provider.origin}/chat/completions", json={})
    assert seen.json()["choices"][0]["message"]["content"] == "Hi"


async def test_routes_can_be_added_and_replaced(http: httpx2.AsyncClient) -> None:
    routes: dict[str, Behaviour] = {
        "GET /models": reply({"data": []}),
        "DELETE /responses/*": lambda request: reply(request.path),
        "POST /deployments/*/chat/completions": answer("Hi"),
        "POST /files": error(413, "too large"),
    }
    async with FakeOpenAI(routes=routes) as provider:
        assert (await http.get(f"{provider.url}/models")).json() == {"data": []}
        assert (await http.delete(f"{provider.url}/responses/1")).text == "/v1/responses/1"
        azure = await http.post(f"{provider.url}/deployments/x/chat/completions", json={})
        assert azure.json()["object"] == "chat.completion"
        assert (await http.post(f"{provider.url}/files")).status_code == 413


async def test_requests_are_kept_in_order_and_handed_out_one_by_one(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer("Hi")) as provider:
        waiting = asyncio.create_task(provider.next_request())
        for model in ("a", "b", "c"):
            await http.post(f"{provider.url}/chat/completions", json={"model": model})
        assert (await waiting).model == "a"
        assert (await provider.next_request()).model == "b"
        assert (await provider.next_request()).model == "c"
        assert [request.model for request in provider.requests] == ["a", "b", "c"]


async def test_a_request_that_never_comes_times_out() -> None:
    async with FakeOpenAI() as provider:
        with pytest.raises(TimeoutError, match=r"no request number 1 came within 0\.01 s"):
            await provider.next_request(timeout=0.01)


async def test_requests_may_be_forgotten(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer("Hi"), keep_requests=False) as provider:
        await http.post(f"{provider.url}/chat/completions", json={})
        assert provider.requests == []


async def test_it_notices_a_client_that_leaves_amid_a_stream(http: httpx2.AsyncClient) -> None:
    never = Gate()
    async with FakeOpenAI(answer("Hi", wait(never), "there")) as provider:
        async with http.stream("POST", f"{provider.url}/chat/completions", json=STREAM) as response:
            await anext(response.aiter_raw())
            request = await provider.next_request()
            assert not request.client_left.is_open
        async with asyncio.timeout(1):
            await request.client_left.wait()


async def test_it_notices_a_client_that_leaves_before_the_answer(http: httpx2.AsyncClient) -> None:
    cancelled = asyncio.Event()

    async def slow(request: Request) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with FakeOpenAI(slow) as provider:
        asking = asyncio.create_task(http.post(f"{provider.url}/chat/completions", json={}))
        request = await provider.next_request()
        asking.cancel()
        async with asyncio.timeout(1):
            await request.client_left.wait()
            await cancelled.wait()


async def test_it_stops_an_endless_stream_when_the_client_leaves(http: httpx2.AsyncClient) -> None:
    endless = chunks(iter(lambda: {"choices": []}, None))
    async with FakeOpenAI(endless) as provider:
        async with http.stream("POST", f"{provider.url}/chat/completions", json=STREAM) as response:
            await anext(response.aiter_raw())
        async with asyncio.timeout(1):
            await (await provider.next_request()).client_left.wait()


async def test_it_notices_a_client_that_leaves_without_reading_the_last_piece(http: httpx2.AsyncClient) -> None:
    large = reply((b"x" * 20_000_000, b"end"))
    async with FakeOpenAI(large) as provider:
        async with http.stream("POST", f"{provider.url}/chat/completions", json=STREAM):
            request = await provider.next_request()
        async with asyncio.timeout(1):
            await request.client_left.wait()


async def test_a_client_that_got_everything_did_not_leave(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(answer("Hi", head(), "there")) as provider:
        for body in (STREAM, {}):
            await http.post(f"{provider.url}/chat/completions", json=body)
    assert not any(request.client_left.is_open for request in provider.requests)


async def test_a_client_that_leaves_amid_its_upload_made_no_request() -> None:
    async with FakeOpenAI() as provider:
        host, port = provider.origin.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        with pytest.raises(TimeoutError):
            await provider.next_request(timeout=0.05)


def test_synchronous_code_is_served_from_a_thread() -> None:
    gate = Gate()
    gate.open()
    with FakeOpenAI(answer("It is", wait(gate), " noon.")) as provider:
        client = OpenAI(base_url=provider.url, api_key="made-up", http_client=httpx2.Client(verify=False))
        with client:
            stream = client.chat.completions.create(
                model="gpt-6", messages=[{"role": "user", "content": "when?"}], stream=True
            )
            seen = [chunk.choices[0].delta.content for chunk in stream]
    assert seen == ["", "It is", " noon.", None]
    assert provider.requests[0].model == "gpt-6"


def test_an_event_does_not_reach_into_a_thread() -> None:
    with (
        pytest.raises(Misuse, match="wait for a Gate instead"),
        FakeOpenAI(answer("Hi", wait(asyncio.Event()))) as provider,
    ):
        httpx2.post(f"{provider.url}/chat/completions", json={}, trust_env=False)


def test_misuse_is_loud_in_synchronous_code_too() -> None:
    with pytest.raises(Misuse), FakeOpenAI() as provider:
        httpx2.post(f"{provider.url}/chat/completions", json={}, trust_env=False)


def test_there_is_no_url_before_it_runs() -> None:
    with pytest.raises(RuntimeError, match="FakeOpenAI is not running: enter it"):
        _ = FakeOpenAI().url


async def test_it_can_be_entered_again(connect: Connect) -> None:
    provider = FakeOpenAI(answer("Hi"))
    for _ in range(2):
        async with provider:
            await connect(provider).responses.create(model="gpt-6", input="hello")
    assert len(provider.requests) == 2
