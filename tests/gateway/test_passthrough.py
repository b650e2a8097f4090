"""Routes that are proxied unread."""

from __future__ import annotations

import asyncio

import pytest

from aibridge.testing import Gate, Request, disconnect, error, reply, wait
from tests.gateway.serving import gateway


@pytest.mark.parametrize(
    ("method", "path", "upstream"),
    [
        ("GET", "/openai/v1/models", "/v1/models"),
        ("GET", "/v1/models", "/v1/models"),
        ("GET", "/openai/v1/models/ft:gpt-4o:org::id", "/v1/models/ft:gpt-4o:org::id"),
        ("GET", "/openai/v1/responses/resp_1", "/v1/responses/resp_1"),
        ("DELETE", "/openai/v1/responses/resp_1", "/v1/responses/resp_1"),
        ("POST", "/openai/v1/responses/resp_1/cancel", "/v1/responses/resp_1/cancel"),
        ("POST", "/openai/v1/conversations", "/v1/conversations"),
        ("GET", "/openai/v1/conversations/conv_1/items", "/v1/conversations/conv_1/items"),
        ("POST", "/openai/v1/embeddings", "/v1/embeddings"),
    ],
)
async def test_allowed_routes_reach_the_provider_with_its_key(method: str, path: str, upstream: str) -> None:
    async with gateway(routes={"* *": reply({"ok": True}, headers={"x-request-id": "r"})}) as served:
        response = await served.client.request(method, f"{path}?limit=2", content=b"{}" if method == "POST" else None)

        assert response.status_code == 200
        assert response.json() == {"ok": True}
        assert response.headers["x-request-id"] == "r"
        [request] = served.provider.requests
        assert (request.method, request.path, request.query) == (method, upstream, "limit=2")
        assert request.headers["authorization"] == "Bearer sk-canary-0123456789abcdef"
        assert served.ledger.started == []


async def test_an_error_comes_as_it_is() -> None:
    async with gateway(routes={"GET /models": error(404, "no such model")}) as served:
        response = await served.client.get("/v1/models")
        assert response.status_code == 404
        assert response.json()["error"]["message"] == "no such model"


async def test_the_answer_is_streamed() -> None:
    second = Gate()
    async with gateway(routes={"GET /responses/*": reply((b"one", wait(second), b"two"))}) as served:
        async with served.client.stream("GET", "/openai/v1/responses/r?stream=true") as response:
            pieces = response.aiter_bytes()
            assert await anext(pieces) == b"one"
            second.open()
            assert b"".join([piece async for piece in pieces]) == b"two"


async def test_a_client_that_leaves_cancels_the_upstream() -> None:
    async with gateway(routes={"GET /responses/*": reply((b"one", wait(Gate())))}) as served:
        async with served.client.stream("GET", "/openai/v1/responses/r") as response:
            await anext(response.aiter_bytes())
        request: Request = await served.provider.next_request()
        async with asyncio.timeout(1):
            await request.client_left.wait()


async def test_an_unreachable_provider_is_told_in_its_own_form() -> None:
    async with gateway() as served:
        response = await served.client.get("/anthropic/v1/models")
        assert response.status_code == 502
        assert response.json()["error"]["message"].startswith("anthropic could not be reached")


async def test_a_slow_provider_is_given_up() -> None:
    async with gateway(routes={"GET /models": reply((wait(Gate()),))}, total=0.05) as served:
        response = await served.client.get("/v1/models")
        assert response.status_code == 504
        assert "did not finish within 0.05 s" in response.json()["error"]["message"]


async def test_an_answer_that_breaks_off_is_cut_for_the_client_too() -> None:
    async with gateway(routes={"GET /models": reply((b"half", disconnect()))}) as served:
        with pytest.raises(Exception, match=r"incomplete|closed|peer"):
            await served.client.get("/v1/models")


async def test_a_refusal_of_ours_has_no_body_for_head() -> None:
    async with gateway(api_keys=()) as served:
        response = await served.client.head("/anthropic/api/hello", headers={"x-api-key": ""})
        assert response.status_code == 401
        assert response.content == b""


async def test_without_a_key_there_is_no_passing() -> None:
    async with gateway(api_keys=()) as served:
        response = await served.client.get("/v1/models")
        assert response.status_code == 401
        assert served.provider.requests == []
