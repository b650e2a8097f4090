"""A strict fake learns what it said from the bytes that went out, whatever they were made of."""

from contextlib import suppress
from typing import Any

import httpx2
import pytest

from aibridge.testing import FakeAnthropic, FakeOpenAI, answer, chunks, disconnect, error, reply, thought, truncate

USER = {"role": "user", "content": "when?"}
ASK = {"model": "x", "max_tokens": 9, "thinking": {"type": "adaptive"}, "messages": [USER]}
SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "s1"}
REST = b'"thinking":"Hm.","signature":"s1"}]}'


async def replay(http: httpx2.AsyncClient, given: Any, **first: Any) -> int:
    """The status of a request that replays the thought, after an answer that may have had it."""
    again = {**ASK, "messages": [USER, {"role": "assistant", "content": [SIGNED]}]}
    async with FakeAnthropic([given, answer("noon")], strict=True) as provider:
        with suppress(httpx2.ReadError):
            await http.post(f"{provider.url}/v1/messages", json={**ASK, **first})
        return (await http.post(f"{provider.url}/v1/messages", json=again)).status_code


@pytest.mark.parametrize(
    ("given", "stream", "status"),
    [
        (answer(thought("Hm.", signature="s1")), False, 200),
        (answer(thought("Hm.", signature="s1", split=2)), True, 200),
        (answer(thought("Hm.", signature="s1"), "a", truncate()), True, 200),
        (answer(thought("Hm.", signature="s1"), "a", disconnect()), True, 200),
        (answer(truncate(), thought("Hm.", signature="s1")), True, 400),
        (answer(thought("Hm.", signature="s2")), False, 400),
        (reply({"type": "message", "content": [7, SIGNED]}), False, 200),
        (reply((b'{"type":"message","content":[{"type":"thinking",', REST)), False, 200),
        (chunks({"type": "content_block_start", "index": 0, "content_block": SIGNED}), True, 200),
        (chunks({"type": "content_block_start", "index": 0, "content_block": {}}, b"data: odd\n\n"), True, 400),
        (chunks({"type": "content_block_delta", "index": 0, "delta": {}}, b"data: [1]\n\n"), True, 400),
        (reply({"type": "message", "content": [SIGNED]}, status=500), False, 400),
        (error(529, "Overloaded"), False, 400),
    ],
)  # fmt: skip
async def test_thoughts_are_known_once_they_went_out(
    http: httpx2.AsyncClient, given: Any, stream: bool, status: int
) -> None:
    assert await replay(http, given, stream=stream) == status


async def test_another_fake_does_not_know_them(http: httpx2.AsyncClient) -> None:
    assert await replay(http, answer(thought("Hm.", signature="s1"))) == 200
    assert await replay(http, answer("Hm.")) == 400


async def test_an_async_handler_is_heard_too(http: httpx2.AsyncClient) -> None:
    async def think(request: object) -> Any:
        return answer(thought("Hm.", signature="s1"))

    assert await replay(http, think) == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_odd_responses_are_no_previous_ones(http: httpx2.AsyncClient, stream: bool) -> None:
    odd = chunks({"type": "response.completed", "response": {}}, {"type": "response.output_item.done"}, b"data: 7\n\n")
    given = [odd if stream else reply({"id": "resp_1", "output": []}), answer("Hi")]
    async with FakeOpenAI(given, strict=True) as provider:
        await http.post(f"{provider.url}/responses", json={"input": "Hi", "stream": stream})
        seen = await http.post(f"{provider.url}/responses", json={"input": "Hi", "previous_response_id": "resp_1"})
    assert seen.json()["error"]["code"] == "previous_response_not_found"


async def test_routes_of_ones_own_are_not_checked(http: httpx2.AsyncClient) -> None:
    async with FakeOpenAI(routes={"POST /deployments/*": answer("Hi")}, strict=True) as provider:
        assert (await http.post(f"{provider.url}/deployments/x", json={})).status_code == 200
        assert (await http.post(f"{provider.url}/embeddings", json={})).status_code == 200
    assert provider.faults == []
