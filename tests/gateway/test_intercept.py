"""An intercepted request, from the client's first byte to the record of its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import httpx2
import pytest

from aibridge.model import InjectedTool, PromptRecord, TokenUsage, ToolCall, ToolResult, ToolUsage
from aibridge.testing import Gate, Request, answer, call, error, rate_limited, truncate, wait
from tests.gateway.serving import CLOCK, LIMITS, Clock, Served, chat, gateway

TURN = [answer("Let me see. ", call(CLOCK.name, id="call_1")), answer("It is noon.")]


async def stream(served: Served, **body: object) -> bytes:
    async with served.client.stream("POST", "/openai/v1/chat/completions", json=chat(stream=True, **body)) as response:
        return await response.aread()


async def test_a_completion_is_relayed_and_recorded() -> None:
    async with gateway(answer("Noon.", model="gpt-6")) as served:
        response = await served.ask()

        assert response.status_code == 200
        completion = response.json()
        assert completion["choices"][0]["message"]["content"] == "Noon."
        assert completion["id"] == response.headers["x-aibridge-interception-id"] == served.ledger.started[0].id
        assert (await served.ledger.outcome()).status == "completed"
        assert [record.prompt for record in served.ledger.of(PromptRecord)] == ["What time is it?"]
        assert len(served.ledger.of(TokenUsage)) == 1


async def test_an_injected_call_runs_out_of_the_clients_sight() -> None:
    async with gateway(TURN, toolbox=Clock()) as served:
        body = await stream(served)

        assert b"Let me see. " in body
        assert b"It is noon." in body
        assert b"bmcp" not in body
        assert body.endswith(b"data: [DONE]\n\n")
        first, second = served.provider.requests
        assert first.tool_names == [CLOCK.name]
        assert second.messages[-1] == {"role": "tool", "tool_call_id": "call_1", "content": "noon"}
        assert (await served.ledger.outcome()).rounds == 2
        assert [usage.tool for usage in served.ledger.of(ToolUsage)] == ["now"]


async def test_the_relay_is_live_with_tools_injected() -> None:
    second = asyncio.Event()
    async with gateway(answer("first ", wait(second), "second"), toolbox=Clock()) as served:
        async with served.client.stream("POST", "/openai/v1/chat/completions", json=chat(stream=True)) as response:
            pieces = response.aiter_bytes()
            seen = b""
            while b"first " not in seen:
                seen += await anext(pieces)
            assert b"second" not in seen
            second.set()  # only now does the provider go on
            assert b"second" in b"".join([piece async for piece in pieces])


async def test_headers_go_out_before_a_tool_runs_and_keepalives_while_it_does() -> None:
    stopped = asyncio.Event()
    limits = replace(LIMITS, keepalive_seconds=0.01)
    script = [answer(call(CLOCK.name)), answer("Noon.")]
    async with gateway(script, toolbox=Clock(stopped=stopped), limits=limits) as served:
        async with served.client.stream("POST", "/openai/v1/chat/completions", json=chat(stream=True)) as response:
            assert response.headers["content-type"] == "text/event-stream"
            assert response.headers["cache-control"] == "no-cache"
            assert response.headers["x-accel-buffering"] == "no"
            pieces = response.aiter_bytes()
            seen = b""
            while seen.count(b": keepalive\n\n") < 2:
                seen += await anext(pieces)
            stopped.set()
            assert b"Noon." in b"".join([piece async for piece in pieces])


async def test_a_client_that_leaves_cancels_its_upstream_within_a_second() -> None:
    never = asyncio.Event()
    async with gateway(answer("Let me ", wait(never))) as served:
        async with served.client.stream("POST", "/openai/v1/chat/completions", json=chat(stream=True)) as response:
            await anext(response.aiter_bytes())
        request = await served.provider.next_request()
        async with asyncio.timeout(1):
            await request.client_left.wait()
            outcome = await served.ledger.outcome()
        assert (outcome.status, outcome.error_type, outcome.rounds) == ("cancelled", "cancelled", 1)
        [usage] = served.ledger.of(TokenUsage)
        assert usage.extra == {"estimated": True}


async def test_a_client_that_leaves_cancels_its_tools_within_a_second() -> None:
    toolbox = Clock(stopped=asyncio.Event())
    async with gateway(TURN, toolbox=toolbox) as served:
        asking = asyncio.create_task(served.ask())
        await toolbox.called.wait()
        asking.cancel()
        async with asyncio.timeout(1):
            await toolbox.cancelled.wait()
            assert (await served.ledger.outcome()).status == "cancelled"
        [usage] = served.ledger.of(ToolUsage)
        assert usage.error == "the turn ended before the tool's result came"


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_error_before_the_stream_comes_as_the_provider_sent_it(streaming: bool) -> None:
    async with gateway(rate_limited(retry_after=7)) as served:
        response = await served.ask(stream=streaming)

        assert response.status_code == 429
        assert response.headers["retry-after"] == "7"
        assert response.json()["error"]["code"] == "rate_limit_exceeded"
        outcome = await served.ledger.outcome()
        assert (outcome.status, outcome.error_type) == ("failed", "rate_limited")


async def test_a_refused_key_of_ours_is_no_fault_of_the_callers() -> None:
    async with gateway(error(401, "Incorrect API key provided: sk-canary-0123456789abcdef")) as served:
        response = await served.ask()

        assert response.status_code == 502
        assert "openai refused the gateway's own key" in response.json()["error"]["message"]
        assert "canary" not in response.text


async def test_the_callers_own_key_is_refused_as_it_came() -> None:
    async with gateway(error(401, "Incorrect API key"), api_keys=()) as served:
        response = await served.client.post(
            "/openai/v1/chat/completions", json=chat(), headers={"authorization": "Bearer sk-my-own-key-000001"}
        )

        assert response.status_code == 401
        assert response.json()["error"]["message"] == "Incorrect API key"
        assert served.provider.requests[0].headers["authorization"] == "Bearer sk-my-own-key-000001"
        [started] = served.ledger.started
        assert (started.credential_kind, started.credential_hint) == ("byok", "sk-…0001")


async def test_without_any_key_the_answer_is_401_and_nothing_is_recorded() -> None:
    async with gateway(answer("no"), api_keys=()) as served:
        response = await served.ask()

        assert response.status_code == 401
        assert "providers.openai.api_keys" in response.json()["error"]["message"]
        assert (served.provider.requests, served.ledger.started) == ([], [])


async def test_a_stream_that_breaks_off_ends_with_an_error_in_it() -> None:
    async with gateway(answer("Let me ", truncate())) as served:
        body = await stream(served)

        assert b'"error":{"message":"the provider closed the stream before the answer was complete"' in body
        assert body.endswith(b"data: [DONE]\n\n")
        assert (await served.ledger.outcome()).status == "failed"


async def test_an_unreachable_provider_is_502_and_an_outcome() -> None:
    async with gateway(answer("no"), base_url="http://127.0.0.1:9/v1") as served:
        response = await served.ask()

        assert response.status_code == 502
        assert response.json()["error"]["message"].startswith("openai could not be reached")
        assert (await served.ledger.outcome()).status == "failed"


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_interception_has_a_total_time(streaming: bool) -> None:
    async with gateway(answer("Let me ", wait(asyncio.Event())), total=0.05) as served:
        response = await served.ask(stream=streaming)

        assert "openai did not finish within 0.05 s" in response.text
        assert response.status_code == (200 if streaming else 504)
        assert (await served.ledger.outcome()).error_type == "timeout"


async def test_nothing_goes_upstream_that_could_not_be_recorded() -> None:
    async with gateway(answer("no")) as served:
        served.ledger.down = True
        response = await served.ask()

        assert response.status_code == 503
        assert response.json()["error"]["message"] == "the database is away"
        assert served.provider.requests == []


class Broken:
    tools: tuple[InjectedTool, ...] = (CLOCK,)

    async def call(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        raise RuntimeError("a bug, with a secret in it")


async def test_a_bug_of_ours_is_told_in_the_dialects_form_and_recorded() -> None:
    async with gateway(TURN, toolbox=Broken()) as served:
        response = await served.ask()

        assert response.status_code == 500
        assert response.json()["error"]["message"] == "aibridge failed on this request; its log says why"
        assert (await served.ledger.outcome()).error_message == response.json()["error"]["message"]


async def test_the_client_chooses_what_is_injected() -> None:
    async with gateway(answer("Noon."), toolbox=Clock()) as served:
        headers = {"x-aibridge-tools": "off"}
        await served.client.post("/openai/v1/chat/completions", json=chat(), headers=headers)
        await served.ask()

        assert served.shelf.wanted == ["off", ""]
        assert [request.tool_names for request in served.provider.requests] == [[], [CLOCK.name]]
        assert served.provider.requests[0].body == httpx2.Request("POST", "http://x", json=chat()).content


async def test_headers_go_on_as_they_should() -> None:
    async with gateway(answer("Noon.", headers={"x-request-id": "req_1", "set-cookie": "a=b"})) as served:
        response = await served.client.post(
            "/openai/v1/chat/completions?beta=true&q=%7E",
            json=chat(),
            headers={
                "authorization": "Bearer dummy",
                "openai-beta": "assistants=v2",
                "connection": "keep-alive, x-hop",
                "x-hop": "1",
                "x-forwarded-for": "10.0.0.1",
                "x-aibridge-tools": "off",
                "cookie": "a=b",
                "te": "trailers",
            },
        )

        assert response.headers["x-request-id"] == "req_1"
        assert "set-cookie" not in response.headers
        request = served.provider.requests[0]
        assert request.query == "beta=true&q=%7E"
        assert request.headers["authorization"] == "Bearer sk-canary-0123456789abcdef"
        assert request.headers["openai-beta"] == "assistants=v2"
        unwanted = {"x-hop", "x-forwarded-for", "x-aibridge-tools", "cookie", "te"}
        assert unwanted.isdisjoint(key.lower() for key in request.headers)


async def test_what_is_known_of_the_caller_is_recorded() -> None:
    async with gateway(answer("Noon.")) as served:
        headers = {"user-agent": "codex_exec/0.169 (linux)", "session-id": "s-1"}
        await served.client.post("/v1/chat/completions", json=chat(stream=True), headers=headers)

        [started] = served.ledger.started
        assert (started.client, started.session_id, started.user_agent) == ("Codex", "s-1", headers["user-agent"])
        assert (started.actor.name, started.provider, started.provider_name) == ("anonymous", "openai", "openai")
        assert (started.route, started.model, started.streaming) == ("/v1/chat/completions", "gpt-6", True)
        assert (started.credential_kind, started.credential_hint) == ("centralized", "sk-…cdef")


async def test_a_cut_of_the_tools_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    limits = replace(LIMITS, max_tools=0)
    async with gateway(answer("Noon."), toolbox=Clock(), limits=limits) as served:
        await served.ask()
        await served.ask()

        assert served.provider.requests[0].tool_names == []
        told = [record.getMessage() for record in caplog.records if "max_tools" in record.getMessage()]
        assert told == ["1 injected tools are left out: a request holds 0 (tools.max_tools)"]


DEEP = b'{"model":"m","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'"\xff"', "not valid JSON"),
        (b"[]", "must be a JSON object, not an array"),
        (DEEP, "nested too deeply"),
        (b'{"model":"m","messages":[1]}', "'messages[0]' must be an object"),
        (b'{"model":1,"messages":[]}', "'model' must be a string"),
        (b'{"model":"m","input":"hi"}', "/v1/responses"),
    ],
)
async def test_bad_input_is_refused_in_openais_form_and_touches_no_upstream(body: bytes, words: str) -> None:
    async with gateway(answer("no")) as served:
        response = await served.client.post("/openai/v1/chat/completions", content=body)

        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"
        assert words in response.json()["error"]["message"]
        assert (served.provider.requests, served.ledger.started) == ([], [])


async def test_a_body_beyond_the_limit_is_refused_declared_or_not() -> None:
    async def pieces() -> object:
        for _ in range(20):
            yield b" " * 100_000

    async with gateway(answer("no")) as served:
        for content in (b" " * 1_000_001, pieces()):
            response = await served.client.post("/openai/v1/chat/completions", content=content)  # type: ignore[arg-type]
            assert response.status_code == 413
            assert "server.max_request_bytes" in response.json()["error"]["message"]


async def test_an_encoded_body_is_refused_with_its_encoding_named() -> None:
    async with gateway(answer("no")) as served:
        response = await served.client.post(
            "/openai/v1/chat/completions", content=b"\x1f\x8b", headers={"content-encoding": "gzip"}
        )
        assert response.status_code == 415
        assert "'gzip'" in response.json()["error"]["message"]


@pytest.mark.parametrize("header", ["host", "origin"])
async def test_a_foreign_web_page_cannot_spend_the_key(header: str) -> None:
    value = {"host": "evil.example", "origin": "https://evil.example"}[header]
    async with gateway(answer("no")) as served:
        response = await served.client.post("/openai/v1/chat/completions", json=chat(), headers={header: value})

        assert response.status_code == 403
        assert "evil.example" in response.json()["error"]["message"]
        assert served.provider.requests == []


async def test_fifty_concurrent_streams_with_injected_calls_do_not_cross() -> None:
    everybody = Gate()

    def handler(request: Request) -> object:
        question = request.messages[0]["content"]
        if request.messages[-1]["role"] == "tool":
            return answer(f"{question} is ", "noon.")
        return answer(f"{question}: ", wait(everybody), call(CLOCK.name, id=f"call_{question}"))

    async with gateway(handler, toolbox=Clock()) as served:  # type: ignore[arg-type]
        names = [f"#{number:02}" for number in range(50)]
        asking = [asyncio.create_task(stream(served, messages=[{"role": "user", "content": name}])) for name in names]
        for _ in names:
            await served.provider.next_request()
        everybody.open()
        for name, body in zip(names, await asyncio.gather(*asking), strict=True):
            others = [other for other in names if other != name and other.encode() in body]
            assert f"{name} is ".encode() in body
            assert not others
        ids = {usage.call_id for usage in served.ledger.of(ToolUsage)}
        assert ids == {f"call_{name}" for name in names}
