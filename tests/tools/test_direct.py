from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp.server.mcpserver import Context, MCPServer
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

from aibridge.testing.mcp_server import FakeMCPServer
from aibridge.testing.serve import serving
from tests.tools.scripted import FOUND, Scripted, error, event, events, result, scripted
from tests.tools.support import http, session
from tests.waiting import eventually

PROGRESS = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}
SAID = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "working"}}
CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


def trace(carrier: dict[str, str]) -> None:
    carrier["traceparent"] = "00-1-2-01"


async def test_a_call_is_a_post_in_the_session_that_the_sdk_opened() -> None:
    server = Scripted(lambda message: JSONResponse(result(message)))
    async with serving(server) as url, session(http(url, headers={"x-key": "1"}), trace=trace) as client:
        assert (await client.call("t", {"x": [1, {"ü": None}]})).text == "found"
    (call,) = [seen for seen in server.seen if seen.message.get("method") == "tools/call"]
    assert call.message == {
        "jsonrpc": "2.0",
        "id": "aibridge-1",
        "method": "tools/call",
        "params": {"name": "t", "arguments": {"x": [1, {"ü": None}]}, "_meta": {"traceparent": "00-1-2-01"}},
    }
    assert call.headers["mcp-session-id"] == "session-1"
    assert call.headers["mcp-protocol-version"] == "2025-06-18"
    assert call.headers["accept"] == "application/json, text/event-stream"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["accept-encoding"] == "identity"
    assert call.headers["x-key"] == "1"


async def test_without_a_session_each_call_says_all_there_is_to_know() -> None:
    schema = {"type": "object", "properties": {"town": {"type": "string", "x-mcp-header": "Town"}}}
    async with FakeMCPServer() as fake:
        fake.tool("tööl", "ok", schema=schema)
        async with session(http(fake.url)) as client:
            assert (await client.call("tööl", {"town": "Wien"})).text == "ok"
            assert fake.lists == 2, "the server did not refuse the call, or the SDK would have listed once more"
        headers = fake.calls[0].headers
    assert headers["mcp-protocol-version"] == "2026-07-28"
    assert headers["mcp-method"] == "tools/call"
    assert headers["mcp-name"] == "=?base64?dMO2w7Zs?="
    assert headers["mcp-param-town"] == "Wien"
    assert "mcp-session-id" not in headers


@pytest.mark.parametrize("stateless", [False, True], ids=["sessions", "stateless"])
@pytest.mark.parametrize("json_response", [False, True], ids=["events", "json"])
async def test_a_server_of_the_sdk_with_progress_and_logs(stateless: bool, json_response: bool) -> None:
    mcp = MCPServer("real")

    @mcp.tool()
    async def work(steps: int, ctx: Context[Any, Any]) -> str:
        for step in range(steps):
            await ctx.report_progress(step, steps)
        return "x" * 1_000_000

    app = mcp.streamable_http_app(json_response=json_response, stateless_http=stateless)
    async with serving(app) as url, session(http(f"{url}/mcp"), max_result_chars=2_000_000) as client:
        for _ in range(3):
            assert len((await client.call("work", {"steps": 5})).text) == 1_000_000


async def test_what_comes_before_the_answer_is_heeded() -> None:
    ping = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
    sampling = {"jsonrpc": "2.0", "id": "ask", "method": "sampling/createMessage", "params": {}}
    server = Scripted(
        lambda message: events(
            b": hello\n\n", b"event: other\ndata: nonsense\n\n",
            *map(event, (PROGRESS, SAID, CHANGED, ping, sampling, result(message))),
        )
    )  # fmt: skip
    async with scripted(server) as client:
        listed = len(server.messages("tools/list"))
        assert (await client.call("t", {})).text == "found"
        await eventually(lambda: len(server.messages("tools/list")) == listed + 1)
    answers = {seen.message["id"]: seen.message for seen in server.seen if seen.message.get("id") in (7, "ask")}
    assert answers[7] == {"jsonrpc": "2.0", "id": 7, "result": {}}
    refusal = {"code": -32601, "message": "aibridge does not know sampling/createMessage"}
    assert answers["ask"] == {"jsonrpc": "2.0", "id": "ask", "error": refusal}


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_a_stream_may_be_cut_anywhere(size: int) -> None:
    def call(message: dict[str, Any]) -> Response:
        whole = (event(PROGRESS) + event(result(message))).replace(b"\n", b"\r\n")
        return events(*(whole[at : at + size] for at in range(0, len(whole), size)))

    async with scripted(Scripted(call)) as client:
        assert (await client.call("t", {})).text == "found"


async def test_a_stream_that_the_server_ends_early_is_asked_for_again() -> None:
    answers: list[dict[str, Any]] = []
    asked: list[str] = []

    def call(message: dict[str, Any]) -> Response:
        answers.append(message)
        return events(b"id: 1\nretry: 10\ndata:\n\n")

    def resume(last: str) -> Response:
        asked.append(last)
        return events(event(PROGRESS if last < "4" else result(answers[0]), str(int(last) + 1)))

    async with scripted(Scripted(call, resume)) as client:
        assert (await client.call("t", {})).text == "found"
    assert asked == ["1", "2", "3", "4"], "as often as it takes, while there is something new"


async def test_a_stream_that_leads_nowhere_is_given_up() -> None:
    asked: list[str] = []

    def resume(last: str) -> Response:
        asked.append(last)
        return Response(status_code=404)

    async with scripted(Scripted(lambda _: events(b"id: 1\nretry: 1\ndata:\n\n"), resume)) as client:
        failed = await client.call("t", {})
        assert failed.error == "web_t failed: the server ended the stream before its answer"
        assert client.state == "connected"
    assert asked == ["1", "1"]


def _late(_: dict[str, Any]) -> Response:
    return Response(status_code=202)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: events(event(PROGRESS)), "the server ended the stream before its answer"),
        (lambda _: events(b"data: {oh\n\n"), "Failed to parse SSE message: "),
        (lambda _: events(event({"id": 1})), "Failed to parse SSE message: it is no JSON-RPC response"),
        (lambda _: events(b"data: " + b"x" * 300_000, b"x"), "Failed to parse SSE message: it exceeds the limit of "),
        (lambda _: HTMLResponse("<h1>Welcome</h1>"), "the server answered 200 OK with content of text/html"),
        (_late, "the server answered 202 Accepted with content of no type"),
        (lambda _: JSONResponse([]), "Failed to parse JSON response: Expected `object`, got `array`"),
        (lambda _: JSONResponse({"result": 5}), "Failed to parse JSON response: it is no JSON-RPC response"),
        (lambda _: JSONResponse(PROGRESS), "Failed to parse JSON response: it is no JSON-RPC response"),
        (lambda _: JSONResponse({"result": {"content": 5}}), "ValidationError: 1 validation error for CallToolResult"),
        (lambda m: JSONResponse(error(m, -32602, "no such town")), "no such town"),
        (lambda m: JSONResponse(error(m, -32602, "no such town"), status_code=400), "no such town"),
        (lambda _: Response(status_code=502), "the server answered 502 Bad Gateway"),
    ],
    ids=["ended", "no JSON", "no response", "too long", "HTML", "202", "array", "no result", "a notification",
         "no tool's result", "error", "error with a status", "502"],
)  # fmt: skip
async def test_what_is_no_answer_fails_the_call_alone(
    answer: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aibridge.tools.http.MAX_MESSAGE_BYTES", 200_000)
    server = Scripted(answer)
    async with scripted(server) as client:
        assert ((await client.call("t", {})).error or "").startswith(f"web_t failed: {reason}")
        server.call = lambda message: JSONResponse(result(message))
        assert (await client.call("t", {})).text == "found"
        assert client.state == "connected"
    assert len(server.messages("tools/call")) == 2, "a call that the server may have run is not made again"


async def test_what_is_rare_is_asked_again_by_the_sdk() -> None:
    """A redirection, a header that is missing, and a server that wants to know more: none has run the tool."""
    first: list[Response] = []

    def call(message: dict[str, Any]) -> Response:
        if isinstance(message["id"], str):
            return first[0]
        return JSONResponse(result(message))

    server = Scripted(call)
    async with scripted(server) as client:
        wanting = {"resultType": "input_required", "requestState": "1"}
        for rare in (
            RedirectResponse("/elsewhere"),
            JSONResponse({"id": 1, "error": {"code": -32020, "message": "a header is missing"}}, status_code=400),
            JSONResponse({"id": 1, "result": wanting}),
        ):
            first[:] = [rare]
            assert (await client.call("t", {})).text == "found"


async def test_a_call_is_withdrawn_where_its_connection_says_nothing() -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def call(_: dict[str, Any]) -> Response:
        begun.set()
        await over.wait()
        return Response()

    server = Scripted(call)
    async with scripted(server) as client:
        calling = asyncio.create_task(client.call("t", {}))
        await begun.wait()
        calling.cancel()
        await eventually(lambda: server.messages("notifications/cancelled"))
        over.set()
    (withdrawn,) = server.messages("notifications/cancelled")
    assert withdrawn["params"] == {"requestId": "aibridge-1", "reason": "the caller has gone"}
    assert "id" not in withdrawn


async def test_a_server_that_will_not_hear_of_a_withdrawal_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aibridge.tools.direct.WITHDRAW_SECONDS", 0.05)
    before = asyncio.all_tasks()
    over = asyncio.Event()

    class Deaf(Scripted):
        async def _response(self, request: Any) -> Response:
            if b"cancelled" in await request.body():
                await over.wait()
            return await super()._response(request)

    async def never(_: dict[str, Any]) -> Response:
        await over.wait()
        return Response()

    async with scripted(Deaf(never), timeout=0.05) as client:
        assert (await client.call("t", {})).error == "web_t did not answer within 0.05 s"
        await eventually(lambda: not client._requests)
        assert client.state == "connected"
        over.set()
    assert asyncio.all_tasks() <= before


async def test_the_connection_of_a_stream_serves_the_next_call() -> None:
    """The answer and the end of its stream come apart, and the caller waits for the answer alone."""
    server = Scripted(lambda message: events(event(result(message)), b": bye\n\n"))
    async with scripted(server) as client:
        for _ in range(5):
            assert (await client.call("t", {})).text == "found"
            await eventually(lambda: not client._connection._direct._endings)  # type: ignore[union-attr]  # it is up
    first, *later = [at for at, seen in enumerate(server.seen) if seen.message.get("method") == "tools/call"]
    assert {server.seen[at].client for at in later} <= {seen.client for seen in server.seen[: first + 1]}


async def test_a_stream_that_never_ends_holds_up_neither_the_call_nor_the_close() -> None:
    before = asyncio.all_tasks()

    def call(message: dict[str, Any]) -> Response:
        async def endless() -> AsyncIterator[bytes]:
            yield event(result(message))
            await asyncio.Event().wait()

        return StreamingResponse(endless(), media_type="text/event-stream")

    async with scripted(Scripted(call)) as client:
        async with asyncio.timeout(0.5):
            assert (await client.call("t", {})).text == "found"
    assert asyncio.all_tasks() <= before


async def test_a_call_on_a_connection_that_is_closed_says_so() -> None:
    async with scripted(Scripted(lambda message: JSONResponse(result(message, FOUND)))) as client:
        direct = client._connection._direct
        assert direct is not None
    with pytest.raises(Exception, match="the connection was closed"):
        await direct.call("t", {})
