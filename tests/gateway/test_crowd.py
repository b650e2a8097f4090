"""Requests at a time: counted exactly, whatever end they come to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from aibridge.errors import ClientError, Unavailable
from aibridge.gateway.crowd import Crowd
from aibridge.gateway.services import Limits
from aibridge.model import Actor
from aibridge.testing import Answer, Gate, Request, answer, disconnect, reply, wait
from tests.gateway.serving import LIMITS, Served, chat, gateway

ANN, BOB = Actor("ann"), Actor("bob")

ONE = replace(LIMITS, max_concurrent_requests=1)
ONE_EACH = replace(LIMITS, max_concurrent_per_actor=1)


def no_scope() -> Scope:
    return {}


def test_there_is_room_for_so_many_in_all() -> None:
    crowd = Crowd(2, None)
    assert [crowd.enter(), crowd.enter()] == [None, None]
    refused = crowd.enter()
    assert isinstance(refused, Unavailable)
    assert (refused.status, refused.type, refused.retry_after) == (503, "overloaded", 1)
    crowd.leave({})
    assert (crowd.enter(), crowd.open) == (None, 2)


def test_each_actor_has_a_number_of_its_own() -> None:
    crowd, first, second = Crowd(10, 1), no_scope(), no_scope()
    crowd.enter()
    crowd.claim(first, ANN)
    crowd.enter()
    crowd.claim(second, BOB)
    crowd.enter()
    with pytest.raises(ClientError, match=r"ann has 1 requests open already \(server.max_concurrent_per_actor\)") as no:
        crowd.claim({}, ANN)
    crowd.leave({})
    assert (no.value.status, no.value.type, no.value.retry_after) == (429, "rate_limited", 1)
    crowd.leave(first)
    crowd.enter()
    crowd.claim({}, ANN)


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("/openai/v1/chat/completions", "server_error"),
        ("/openai/v1/responses", "server_error"),
        ("/anthropic/v1/messages", "overloaded_error"),
        ("/openai/v1/embeddings", "server_error"),
    ],
)
async def test_one_too_many_in_all_is_503_in_the_dialects_form(path: str, type_: str) -> None:
    slow = Gate()
    async with gateway(routes={"GET /models": reply((b"{", wait(slow), b"}"))}, limits=ONE) as served:
        async with served.client.stream("GET", "/openai/v1/models") as first:
            refused = await served.client.post(path, json={})
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["error"]["type"] == type_
            slow.open()
            assert await first.aread() == b"{}"
        assert served.ledger.started == []


async def test_one_too_many_of_an_actor_is_429_in_the_dialects_form() -> None:
    slow = Gate()
    async with gateway(answer(wait(slow), "Noon."), limits=ONE_EACH) as served:
        first = asyncio.create_task(served.ask())
        await served.provider.next_request()
        for path, type_ in (("/v1/models", "rate_limit_error"), ("/anthropic/v1/messages", "rate_limit_error")):
            refused = await served.client.request("POST" if "messages" in path else "GET", path)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert refused.json()["error"]["type"] == type_
        slow.open()
        assert (await first).status_code == 200
        assert len(served.ledger.started) == 1


async def test_our_own_pages_are_always_served() -> None:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("fine")(scope, receive, send)

    none = replace(LIMITS, max_concurrent_requests=0)
    async with gateway(answer("Noon."), limits=none, pages={"/healthz": page}) as served:
        assert (await served.ask()).status_code == 503
        assert (await served.client.get("/healthz")).text == "fine"


async def leave_in_the_middle(served: Served) -> None:
    async with served.client.stream("POST", "/v1/chat/completions", json=chat(stream=True, model="slow")) as response:
        await anext(response.aiter_bytes())
    async with asyncio.timeout(5):
        await (await served.provider.next_request()).client_left.wait()


async def ask_wrongly(served: Served) -> None:
    await served.client.post("/v1/chat/completions", content=b"[" * 100_000)


async def ask_for_nothing(served: Served) -> None:
    await served.client.get("/v1/nothing")


async def meet_a_broken_provider(served: Served) -> None:
    with pytest.raises(Exception, match=r"incomplete|closed|peer"):
        await served.client.get("/v1/models")


async def be_served(served: Served) -> None:
    await served.ask()


@pytest.mark.parametrize("limits", [ONE, ONE_EACH])
@pytest.mark.parametrize("end", [leave_in_the_middle, ask_wrongly, ask_for_nothing, meet_a_broken_provider, be_served])
async def test_whatever_its_end_a_request_makes_room_for_the_next(
    limits: Limits, end: Callable[[Served], Awaitable[None]]
) -> None:
    def behave(request: Request) -> Answer:
        return answer("Noon.", wait(Gate())) if request.json["model"] == "slow" else answer("Noon.")

    async with gateway(behave, routes={"GET /models": reply((b"half", disconnect()))}, limits=limits) as served:
        await end(served)
        async with asyncio.timeout(5):
            while (await served.ask()).status_code != 200:  # what a client leaves behind is over a little later
                pass
        assert (await served.ask()).status_code == 200
