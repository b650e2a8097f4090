from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest
from mcp import MCPError
from mcp.server import MCPServer
from mcp_types import METHOD_NOT_FOUND, PaginatedRequestParams, SubscriptionsListenRequestParams
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from aibridge.testing.mcp_server import FakeMCPServer, MCPCall, error
from aibridge.testing.serve import serving
from aibridge.tools.connection import Connection
from aibridge.tools.session import ServerSession
from aibridge.tools.settings import ServerSettings
from aibridge.tools.timing import Timing
from tests.clocks import LoopClock
from tests.tools.scripted import FOUND, Scripted, event, events, result, scripted
from tests.tools.scripted import error as refused
from tests.tools.support import StoppedClock, http, session, stdio, steady
from tests.waiting import eventually

ERAS = pytest.mark.parametrize("handshake", [False, True], ids=["stateless", "handshake"])


def names(server: ServerSession) -> list[str]:
    return [tool.name for tool in server.tools]


@asynccontextmanager
async def answering(app: ASGIApp, **more: Any) -> AsyncIterator[ServerSession]:
    """A session with a server that answers everything like this."""
    async with serving(app) as url, session(http(url), timing=steady(StoppedClock()), **more) as server:
        yield server


@ERAS
@pytest.mark.parametrize("json_response", [False, True], ids=["events", "json"])
async def test_tools_are_listed_and_called(handshake: bool, json_response: bool) -> None:
    async with FakeMCPServer(handshake=handshake, json_response=json_response) as fake:
        fake.tool("b")
        fake.tool("a", lambda arguments: f"got {arguments['x']}", description="An a", schema={"type": "object"})
        async with session(http(fake.url)) as server:
            assert (server.state, server.reason) == ("connected", None)
            assert names(server) == ["a", "b"]
            assert server.tools[0].description == "An a"
            assert server.tools[0].schema == b'{"type":"object","properties":{}}'
            assert (await server.call("a", {"x": 1})).text == "got 1"


@ERAS
async def test_httpx2s_own_connections_do_as_well(handshake: bool) -> None:
    async with FakeMCPServer(handshake=handshake) as fake:
        fake.tool("a", "ok")
        async with session(http(fake.url), new_transport=None) as server:
            assert (await server.call("a", {})).text == "ok"


async def test_a_proxy_in_the_environment_is_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked.append(scope["path"])
            await PlainTextResponse("no", status_code=502)(scope, receive, send)

    async with serving(proxy) as url:
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.setenv("NO_PROXY", "")
        async with session(http("http://mcp.invalid/mcp"), timing=steady(StoppedClock())) as server:
            assert (server.state, server.reason) == ("failed", "the server answered 502 Bad Gateway")
    assert asked


async def test_tools_over_the_older_transport_of_server_sent_events() -> None:
    mcp = MCPServer("old")

    @mcp.tool()
    def double(x: int) -> str:
        return f"{2 * x}"

    async with serving(mcp.sse_app()) as url:
        async with session(ServerSettings("old", "sse", url=f"{url}/sse")) as server:
            assert names(server) == ["double"]
            assert (await server.call("double", {"x": 21})).text == "42"


async def test_a_server_of_server_sent_events_that_goes_is_noticed() -> None:
    async with serving(MCPServer("old").sse_app()) as url:
        server = ServerSession(ServerSettings("old", "sse", url=f"{url}/sse"), timing=steady(StoppedClock()))
        server.start()
        await server.settled()
        assert server.state == "connected"
    try:
        await eventually(lambda: server.state != "connected")
        assert (server.state, server.reason) == ("connecting", "the server closed the connection")
    finally:
        await server.aclose()


async def test_headers_of_the_configuration_go_to_the_server_and_a_user_in_the_url_as_basic_auth() -> None:
    async with FakeMCPServer() as fake:
        fake.tool("t")
        url = fake.url.replace("://", "://me:p%40ss@")
        async with session(http(url, headers={"X-Key": "secret-key"})) as server:
            await server.call("t", {})
        assert fake.calls[0].headers["x-key"] == "secret-key"
        assert fake.calls[0].headers["authorization"] == "Basic bWU6cEBzcw=="


async def test_allow_and_deny_decide_what_is_known() -> None:
    async with FakeMCPServer() as fake:
        for name in ("read_page", "read_delete", "write"):
            fake.tool(name)
        async with session(http(fake.url, allow="^read_", deny="_delete$")) as server:
            assert names(server) == ["read_page"]


@ERAS
async def test_a_change_of_the_tools_is_heard_of(handshake: bool) -> None:
    changed = asyncio.Event()
    async with FakeMCPServer(handshake=handshake) as fake:
        fake.tool("old")
        async with session(http(fake.url), on_change=changed.set) as server:
            await fake.listened()
            changed.clear()
            fake.tool("new")
            fake.remove("old")
            await fake.change()
            async with asyncio.timeout(5):
                await changed.wait()
            assert names(server) == ["new"]


@ERAS
async def test_a_stream_of_news_that_breaks_is_opened_again(handshake: bool) -> None:
    clock = StoppedClock()
    changed = asyncio.Event()
    async with FakeMCPServer(handshake=handshake) as fake:
        fake.tool("t")
        async with session(http(fake.url), timing=steady(clock), on_change=changed.set) as server:
            await fake.listened()
            fake.cut()
            if not handshake:
                (await clock.next_pause())[1]()  # in the handshake's protocol the SDK sees to it, after a second
            await fake.listened()
            changed.clear()
            fake.tool("new")
            await fake.change()
            async with asyncio.timeout(5):
                await changed.wait()
            assert (server.state, names(server)) == ("connected", ["new", "t"])


async def test_what_changed_before_anyone_listened_is_not_missed() -> None:
    """The first list is older than the stream of news, so there is a second one."""
    async with FakeMCPServer() as fake, session(http(fake.url)):
        async with asyncio.timeout(5):
            await fake.listened()
            await fake.listed(2)


async def test_a_server_that_goes_down_while_idle_is_noticed() -> None:
    clock = StoppedClock()
    async with FakeMCPServer(handshake=True) as fake:
        async with session(http(fake.url), timing=steady(clock)) as server:
            await fake.listened()
            fake.go_down()
            await clock.next_pause()
            assert server.state == "connecting"


async def test_the_deadline_of_the_handshake_ends_with_it() -> None:
    async def slow(_: Any) -> str:
        await clock.go(20)
        return "done"

    async with FakeMCPServer() as fake:
        fake.tool("slow", slow)
        async with session(http(fake.url), timing=Timing(connect=10)) as server:
            with LoopClock() as clock:
                assert (await server.call("slow", {})).text == "done"


async def test_a_server_that_refuses_to_tell_news_serves_all_the_same() -> None:
    async def refuse(*_: Any) -> Any:
        raise MCPError(METHOD_NOT_FOUND, "no news")

    async with FakeMCPServer() as fake:
        fake.tool("t")
        fake._server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, refuse)
        async with session(http(fake.url)) as server:
            assert (await server.call("t", {})).text == "ok"
            assert server.state == "connected"


@ERAS
async def test_a_call_that_takes_too_long_is_answered_and_cancelled(handshake: bool) -> None:
    async with FakeMCPServer(handshake=handshake) as fake:
        fake.tool("slow", lambda _: asyncio.Event().wait())  # type: ignore[arg-type, return-value]  # it never returns
        fake.tool("quick")
        async with session(http(fake.url, "time", timeout=0.2)) as server:
            result = await server.call("slow", {})
            assert result.error == "time_slow did not answer within 0.2 s"
            assert result.text == f"Error: {result.error}"
            assert (await server.call("quick", {})).text == "ok"
            assert server.state == "connected"
            await ended(fake.calls[0])
        assert fake.calls[0].outcome == "cancelled"


@ERAS
async def test_a_caller_that_goes_cancels_the_call_at_the_server(handshake: bool) -> None:
    async with FakeMCPServer(handshake=handshake) as fake:
        fake.tool("slow", lambda _: asyncio.Event().wait())  # type: ignore[arg-type, return-value]  # it never returns
        async with session(http(fake.url)) as server:
            call = asyncio.create_task(server.call("slow", {}))
            await fake.called()
            call.cancel()
            async with asyncio.timeout(1):
                with pytest.raises(asyncio.CancelledError):
                    await call
                await ended(fake.calls[0])
            assert fake.calls[0].outcome == "cancelled"


async def ended(call: MCPCall) -> None:
    async with asyncio.timeout(5):
        await call.ended.wait()


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        (error("no such city"), "no such city"),
        (ValueError("it broke"), "web_t failed: Internal server error"),
    ],
)
async def test_a_tools_failure_is_a_result(gives: Any, message: str) -> None:
    async with FakeMCPServer() as fake:
        fake.tool("t", gives)
        async with session(http(fake.url)) as server:
            assert (await server.call("t", {})).error == message
            assert server.state == "connected"


async def test_an_unknown_tool_is_a_failed_result() -> None:
    async with FakeMCPServer() as fake, session(http(fake.url)) as server:
        assert (await server.call("nope", {})).error == "web_nope failed: there is no tool 'nope'"


async def test_what_a_server_says_of_its_failure_is_one_line_without_our_secrets(caplog: Any) -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        message = "bad\nkey \x1b[31mcanary-key-1"
        body = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": message}}
        await JSONResponse(body, status_code=403)(scope, receive, send)

    async with serving(refuse) as url:
        settings = http(url, headers={"authorization": "canary-key-1"})
        async with session(settings, timing=steady(StoppedClock())) as server:
            assert server.reason == "bad key [31m***"
            result = await server.call("t", {})
    assert result.error == "web_t failed: the server is not connected (bad key [31m***)"
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (HTMLResponse("<h1>Welcome</h1>"), "Unexpected content type: text/html; charset=utf-8"),
        (PlainTextResponse("who are you?", status_code=401), "the server answered 401 Unauthorized"),
        (JSONResponse({"detail": "who are you?"}, status_code=401), "the server answered 401 Unauthorized"),
        (JSONResponse({}, status_code=503), "the server answered 503 Service Unavailable"),
        (Response("x", headers={"content-encoding": "gzip", "content-type": "application/json"}),
         "the server compressed its answer, which was not asked for"),
        (JSONResponse([1, 2]), "Failed to parse JSON response"),
    ],
    ids=["html", "401", "401 with JSON", "503", "compressed", "no JSON-RPC"],
)  # fmt: skip
async def test_a_server_that_is_no_mcp_server_fails_with_the_reason(response: Response, reason: str) -> None:
    async with answering(response) as server:
        assert server.state == "failed"
        assert server.reason is not None
        assert server.reason.startswith(reason)


async def test_an_answer_that_breaks_off_fails_with_the_reason() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"json')
        writer.close()

    async with await asyncio.start_server(break_off, "127.0.0.1", 0) as listener:
        url = "http://{}:{}/mcp".format(*listener.sockets[0].getsockname())
        async with session(http(url), timing=steady(StoppedClock())) as server:
            assert server.reason is not None
            assert server.reason.startswith("Failed to parse JSON response: the connection broke (")


async def test_a_server_of_events_that_refuses_fails_without_showing_the_address() -> None:
    async with serving(PlainTextResponse("no", status_code=403)) as url:
        settings = ServerSettings("s", "sse", url=f"{url.replace('://', '://u:canary@')}/sse?key=canary")
        async with session(settings, timing=steady(StoppedClock())) as server:
            assert server.reason == "the server answered 403 Forbidden"


async def test_an_answer_beyond_the_limit_fails_its_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aibridge.tools.http.MAX_MESSAGE_BYTES", 100_000)
    async with FakeMCPServer(json_response=True) as fake:
        fake.tool("large", "x" * 200_000)
        fake.tool("small")
        async with session(http(fake.url)) as server:
            large, small = await asyncio.gather(server.call("large", {}), server.call("small", {}))
            assert large.error is not None
            assert "it exceeds the limit of 100000 bytes" in large.error
            assert small.text == "ok"
            assert server.state == "connected"


async def test_a_large_result_is_cut_to_what_a_model_may_get() -> None:
    async with FakeMCPServer() as fake:
        fake.tool("large", "x" * 3_000_000)
        async with session(http(fake.url), max_result_chars=1000) as server:
            result = await server.call("large", {})
            assert len(result.text) == 1000
            assert "3,000,000 characters" in result.text


async def test_a_server_that_is_down_at_first_is_tried_again_after_growing_pauses() -> None:
    clock = StoppedClock()
    async with FakeMCPServer() as fake:
        fake.tool("t")
        fake.go_down()
        async with session(http(fake.url), timing=steady(clock)) as server:
            assert server.state == "failed"
            assert server.reason is not None
            assert "connection" in server.reason
            for expected in (0.5, 1.0):
                pause, go_on = await clock.next_pause()
                assert pause == expected
                go_on()
            pause, go_on = await clock.next_pause()
            assert pause == 2.0
            await fake.come_up()
            go_on()
            await eventually(lambda: server.state == "connected")
            assert names(server) == ["t"]
            assert (await server.call("t", {})).text == "ok"


async def test_nobody_listens_is_told_as_such(unused_tcp_port: int) -> None:
    async with session(http(f"http://127.0.0.1:{unused_tcp_port}/mcp"), timing=steady(StoppedClock())) as server:
        assert (server.state, server.reason) == ("failed", "the server can't be reached")


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        port: int = plug.getsockname()[1]
        return port


async def test_a_call_does_not_wait_for_a_pause_to_end() -> None:
    clock = StoppedClock()
    async with FakeMCPServer() as fake:
        fake.tool("t")
        fake.go_down()
        async with session(http(fake.url), timing=steady(clock)) as server:
            await clock.next_pause()
            result = await server.call("t", {})
            assert result.error is not None
            assert result.error.startswith("web_t failed: the server is not connected (")
            await fake.come_up()
            assert (await server.call("t", {})).text == "ok"


@ERAS
async def test_a_server_that_dies_in_mid_call_fails_the_call_and_is_found_again(handshake: bool) -> None:
    clock = StoppedClock()
    async with FakeMCPServer(handshake=handshake) as fake:
        fake.tool("slow", lambda _: asyncio.Event().wait())  # type: ignore[arg-type, return-value]  # it never returns
        fake.tool("t")
        async with session(http(fake.url), timing=steady(clock)) as server:
            call = asyncio.create_task(server.call("slow", {}))
            await fake.called()
            fake.go_down()
            async with asyncio.timeout(5):
                assert (await call).error is not None
            await eventually(lambda: server.state != "connected")
            assert names(server) == ["slow", "t"], "the first attempt to reconnect is still to come"
            await fake.come_up()
            assert (await server.call("t", {})).text == "ok"
            assert server.state == "connected"


async def test_the_tools_of_a_server_that_stays_away_are_withdrawn() -> None:
    clock = StoppedClock()
    withdrawn = asyncio.Event()
    async with FakeMCPServer(handshake=True) as fake:
        fake.tool("t")
        async with session(http(fake.url), timing=steady(clock)) as server:
            server.on_change = withdrawn.set
            fake.go_down()
            await server.call("t", {})
            _, go_on = await clock.next_pause()
            assert names(server) == ["t"], "until an attempt to reconnect has failed"
            go_on()
            async with asyncio.timeout(5):
                await withdrawn.wait()
            assert (server.state, server.tools) == ("failed", ())


async def test_a_restarted_server_answers_the_very_next_call() -> None:
    clock = StoppedClock()
    async with FakeMCPServer(handshake=True) as fake:
        fake.tool("t")
        async with session(http(fake.url), timing=steady(clock)) as server:
            await fake.forget()
            assert (await server.call("t", {})).text == "ok"
            assert len(fake.calls) == 1


async def test_calls_run_side_by_side_and_one_that_breaks_leaves_the_others() -> None:
    async with FakeMCPServer() as fake:
        may_end = asyncio.Event()

        async def wait(arguments: Any) -> str:
            await may_end.wait()
            return "waited"

        fake.tool("wait", wait)
        fake.tool("bad", RuntimeError("broken"))
        async with session(http(fake.url)) as server:
            waiting = [asyncio.create_task(server.call("wait", {})) for _ in range(20)]
            await fake.called(20)
            assert (await server.call("bad", {})).error
            may_end.set()
            assert [result.text for result in await asyncio.gather(*waiting)] == ["waited"] * 20


async def test_a_server_that_hangs_at_the_handshake_fails_by_its_deadline() -> None:
    async def hang(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async with serving(lambda_app(hang)) as url:
        timing = Timing(connect=0.1, sleep=StoppedClock().sleep)
        async with session(http(url), timing=timing) as server:
            assert server.state == "failed"
            assert server.reason == "the server did not complete the handshake within 0.1 s"


def lambda_app(handler: Any) -> ASGIApp:
    """The app with a lifespan that does nothing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await handler(scope, receive, send)

    return app


async def test_a_mute_command_fails_by_its_deadline_and_is_ended() -> None:
    timing = Timing(start=0.3, sleep=StoppedClock().sleep)
    async with session(stdio("mute"), timing=timing) as server:
        assert server.reason == "the server did not complete the handshake within 0.3 s"


async def test_a_server_that_falls_silent_after_a_call_is_given_up(caplog: Any) -> None:
    clock = StoppedClock()
    async with FakeMCPServer() as fake:

        async def fall_silent(arguments: Any) -> str:
            fake._server.add_request_handler("tools/list", PaginatedRequestParams, hang)
            await asyncio.Event().wait()
            return "never"

        async def hang(*_: Any) -> Any:
            await asyncio.Event().wait()

        fake.tool("t", fall_silent)
        async with session(http(fake.url, timeout=0.2), timing=steady(clock, refresh=0.2)) as server:
            await fake.listed(2)  # the one after it began to tell news is over
            assert (await server.call("t", {})).error == "web_t did not answer within 0.2 s"
            await clock.next_pause()
            assert (server.state, server.reason) == ("connecting", "it took too long")


async def test_closing_fails_calls_in_flight_and_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()
    server = ServerSession(stdio())
    server.start()
    await server.settled()
    call = asyncio.create_task(server.call("hang", {}))
    await eventually(lambda: server._requests)
    await server.aclose()
    assert (await call).error is not None
    assert (server.state, server.reason, server.tools) == ("failed", "the gateway is closing", ())
    assert asyncio.all_tasks() <= before


async def test_closing_while_connecting_does_not_wait_for_the_handshake() -> None:
    before = asyncio.all_tasks()
    server = ServerSession(stdio("mute"))
    server.start()
    await eventually(lambda: server._connection._scope)
    async with asyncio.timeout(6):
        await server.aclose()
    assert asyncio.all_tasks() <= before


async def test_a_connection_that_lasted_makes_the_next_pause_short_again() -> None:
    clock = StoppedClock()
    now = 0.0
    async with FakeMCPServer() as fake:
        fake.go_down()
        async with session(http(fake.url), timing=steady(clock, clock=lambda: now)) as server:
            for _ in range(3):
                pause, go_on = await clock.next_pause()
                if pause == 2.0:
                    await fake.come_up()
                go_on()
            await eventually(lambda: server.state == "connected")
            await fake.listened()
            now = 31.0
            fake.go_down()
            pauses = [(await clock.next_pause())[0] for _ in range(2)]  # of listening again, and of connecting
            assert pauses == [0.5, 0.5]


async def test_an_owner_that_never_ends_is_cancelled_and_its_calls_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never_end(connection: Connection) -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(Connection, "run", never_end)
    server = ServerSession(stdio(), timing=Timing(close=-4.99))
    server.start()
    call = asyncio.create_task(server.call("echo", {}))
    await eventually(lambda: server._requests)
    async with asyncio.timeout(2):
        await server.aclose()
        assert (await call).error == "own_echo failed: the gateway is closing"


async def test_waiting_for_a_server_to_settle_ends_when_it_is_closed() -> None:
    server = ServerSession(stdio("mute"))
    server.start()
    settled = asyncio.create_task(server.settled())
    await eventually(lambda: server._connection._scope)
    await server.aclose()
    async with asyncio.timeout(1):
        await settled


async def test_closing_before_the_start_is_harmless() -> None:
    await ServerSession(stdio()).aclose()
    server = ServerSession(stdio())
    server.start()
    await server.aclose()
    assert (
        await server.call("echo", {})
    ).error == "own_echo failed: the server is not connected (the gateway is closing)"


async def test_a_server_that_hangs_at_the_goodbye_is_left_within_a_bound(caplog: Any) -> None:
    """A session of the handshake is ended by a DELETE, which this server never answers."""
    async with FakeMCPServer(handshake=True) as fake:
        inner = fake._serve

        async def no_goodbye(scope: Any, receive: Any, send: Any) -> None:
            if scope.get("method") == "DELETE":
                await asyncio.Event().wait()
            await inner(scope, receive, send)

        async with serving(lambda_app(no_goodbye)) as url:
            before = {task for task in asyncio.all_tasks() if "mcp-server" in task.get_name()}
            server = ServerSession(http(f"{url}/mcp"), timing=Timing(close=0.2))
            server.start()
            await server.settled()
            assert server.state == "connected"
            async with asyncio.timeout(2):
                await server.aclose()
            assert {task for task in asyncio.all_tasks() if "mcp-server" in task.get_name()} == before


async def test_states_are_logged_once_and_say_why(caplog: Any) -> None:
    clock = StoppedClock()
    with caplog.at_level(logging.INFO, logger="aibridge.tools"):
        async with answering(HTMLResponse("hello")) as server:
            assert server.state == "failed"
        async with FakeMCPServer() as fake:
            fake.go_down()
            async with session(http(fake.url), timing=steady(clock)):
                for _ in range(3):
                    (await clock.next_pause())[1]()
    down = [record for record in caplog.records if "connection" in record.getMessage()]
    assert len(down) == 1


async def test_a_failure_that_quotes_our_credentials_is_told_without_them() -> None:
    async with FakeMCPServer() as fake:
        fake.tool("look", error("401: token canary-of-ours was refused"))
        async with session(http(fake.url, headers={"x-token": "canary-of-ours"})) as server:
            result = await server.call("look", {})
    assert (result.text, result.error) == ("401: token *** was refused", "401: token *** was refused")


async def test_a_server_that_fails_time_and_again_is_left_alone_and_then_tried(caplog: Any) -> None:
    now = 0.0
    server = Scripted(lambda _: Response(status_code=502))
    async with scripted(server, timing=Timing(failures=3, clock=lambda: now)) as client:
        for _ in range(3):
            assert (await client.call("t", {})).error == "web_t failed: the server answered 502 Bad Gateway"
        refusal = "web_t was not called: its server failed 3 times in a row and is left alone for another 30 s"
        assert (await client.call("t", {})).error == refusal
        assert len(server.messages("tools/call")) == 3

        now = 31.0
        server.call = lambda message: JSONResponse(result(message))
        for _ in range(2):
            assert (await client.call("t", {})).text == "found"
    assert caplog.text.count("it is left alone for 30 s") == 1


async def test_a_server_that_is_back_is_called_at_once() -> None:
    clock = StoppedClock()
    async with FakeMCPServer(handshake=True) as fake:
        fake.tool("t")
        async with session(http(fake.url), timing=steady(clock, failures=1, clock=lambda: 0.0)) as server:
            fake.go_down()
            assert (await server.call("t", {})).error is not None
            assert "was not called" in str((await server.call("t", {})).error)
            await eventually(lambda: server.state != "connected")
            await fake.come_up()
            while server.state != "connected":
                (await clock.next_pause())[1]()
                await server.settled()
            assert (await server.call("t", {})).text == "ok"


async def test_calls_that_take_too_long_count_and_those_of_callers_who_left_do_not() -> None:
    over = asyncio.Event()

    async def call(_: Any) -> Response:
        await over.wait()
        return Response()

    server = Scripted(call)
    async with scripted(server, timing=Timing(failures=2), timeout=0.05) as client:
        for _ in range(2):
            left = asyncio.create_task(client.call("t", {}))
            await eventually(lambda: server.messages("tools/call"))
            left.cancel()
            await asyncio.wait({left})
        for _ in range(2):
            assert (await client.call("t", {})).error == "web_t did not answer within 0.05 s"
        assert "was not called" in str((await client.call("t", {})).error)
        over.set()


async def test_what_a_server_answers_is_no_outage() -> None:
    server = Scripted(lambda message: JSONResponse(refused(message, -32602, "no such town")))
    async with scripted(server, timing=Timing(failures=2)) as client:
        for _ in range(5):
            assert (await client.call("t", {})).error == "web_t failed: no such town"


async def test_a_storm_of_changes_is_one_list_at_a_time() -> None:
    async with FakeMCPServer() as fake:
        fake.tool("t")
        async with session(http(fake.url)) as server:
            await fake.listened()
            await fake.listed(2)
            for _ in range(500):
                await fake.change()
            fake.tool("last")
            await fake.change()
            await eventually(lambda: names(server) == ["last", "t"])
            assert fake.lists < 10
            assert (await server.call("t", {})).text == "ok"


async def test_a_list_of_a_megabyte_is_taken() -> None:
    properties = {f"argument_{number}": {"type": "string", "description": "x" * 200} for number in range(45)}
    async with FakeMCPServer() as fake:
        for number in range(100):
            fake.tool(f"t{number:03}", schema={"type": "object", "properties": properties})
        async with session(http(fake.url)) as server:
            assert len(server.tools) == 100
            assert sum(len(tool.schema) for tool in server.tools) > 1_000_000


async def test_a_flood_of_messages_before_the_answer_is_waded_through() -> None:
    said = event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x" * 100}})
    server = Scripted(lambda message: events(said * 5_000, event(result(message))))
    async with scripted(server) as client:
        assert (await client.call("t", {})).text == "found"


async def test_a_tool_that_lies_about_its_result_is_read_all_the_same() -> None:
    """Its schema promises a number; what it says goes to the model, which can tell."""
    tool = {"name": "t", "inputSchema": [], "outputSchema": {"type": "number"}, "annotations": "none", "title": 5}
    server = Scripted(lambda message: JSONResponse(result(message, FOUND | {"structuredContent": {"a": "b"}})))
    server.tools = [tool, "no tool", {"name": None}]
    async with scripted(server) as client:
        assert names(client) == ["t"]
        assert (await client.call("t", {})).text == "found"


async def test_hints_for_people_are_kept_beside_what_a_model_sees() -> None:
    server = Scripted(lambda message: JSONResponse(result(message)))
    server.tools = [{"name": "t", "inputSchema": {}, "annotations": {"readOnlyHint": True, "unknown": 1}}]
    async with scripted(server) as client:
        assert client.tools[0].annotations == b'{"readOnlyHint":true,"unknown":1}'


async def test_no_task_child_or_open_file_is_left_of_servers_that_come_and_go() -> None:
    process = psutil.Process()
    before, children = asyncio.all_tasks(), {*process.children(recursive=True)}

    async def round_trip(settings: ServerSettings) -> None:
        async with session(settings, timing=Timing(close=0.2)) as server:
            await server.call("echo" if settings.transport == "stdio" else "t", {"text": "x"})

    async with serving(Scripted(lambda message: events(event(result(message))))) as url:
        for settings in (http(url), stdio()):
            await round_trip(settings)
        files = process.num_fds()
        for settings in (http(url), stdio(), http(url), stdio()):
            await round_trip(settings)
        await eventually(lambda: process.num_fds() <= files)
        assert {*process.children(recursive=True)} <= children
    assert asyncio.all_tasks() <= before
