"""A fake MCP server whose tools do what you say, over real streamable HTTP on a loopback port.

    from aibridge.testing.mcp_server import FakeMCPServer

    async with FakeMCPServer() as server:
        server.tool("add", lambda arguments: str(arguments["a"] + arguments["b"]))
        await my_agent(mcp_server=server.url)
        assert server.calls[0].arguments == {"a": 1, "b": 2}

What a tool gives may be a text, a dict or list (structured content), `error(…)`, `image(…)`, `resource(…)`, any
CallToolResult, an exception to raise, or a function of the arguments that returns one of these; an async function may
wait as long as it likes.
"""

from __future__ import annotations

import asyncio
import inspect
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import msgspec
from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp_types import (
    METHOD_NOT_FOUND,
    CallToolRequestParams,
    CallToolResult,
    DiscoverResult,
    EmbeddedResource,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    RequestParams,
    TextContent,
    TextResourceContents,
    Tool,
)
from starlette.types import Message, Receive, Scope, Send

from aibridge.testing.serve import serving

JSON = Any
Arguments = Mapping[str, JSON]
Given = str | dict[str, JSON] | list[JSON] | CallToolResult | Exception
Giver = Given | Callable[[Arguments], Given | Awaitable[Given]]

ANY_OBJECT: dict[str, JSON] = {"type": "object", "properties": {}}


def error(text: str) -> CallToolResult:
    """A tool's own failure, which the model is to read."""
    return CallToolResult(content=[TextContent(text=text)], is_error=True)


def image(data: bytes, media_type: str = "image/png") -> CallToolResult:
    """A picture."""
    return CallToolResult(content=[ImageContent(data=b64encode(data).decode(), mime_type=media_type)])


def resource(uri: str, text: str) -> CallToolResult:
    """An embedded resource with text in it."""
    return CallToolResult(content=[EmbeddedResource(resource=TextResourceContents(uri=uri, text=text))])


@dataclass(eq=False)
class MCPCall:
    """A call that the server got, and what became of it."""

    tool: str
    arguments: dict[str, JSON]
    headers: dict[str, str]  # of the HTTP request it came in
    meta: dict[str, JSON] = field(default_factory=dict)  # what came beside the arguments, as `_meta`
    outcome: Literal["running", "answered", "failed", "cancelled"] = "running"
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)


@dataclass
class _Scripted:
    tool: Tool
    giver: Giver


class FakeMCPServer:
    """An MCP server with scripted tools, up within `async with`.

    It speaks the stateless protocol and the older handshake alike; `handshake=True` makes it know only the latter, and
    `json_response=True` answer in JSON instead of event streams.
    """

    def __init__(self, name: str = "fake", *, handshake: bool = False, json_response: bool = False) -> None:
        self.calls: list[MCPCall] = []
        self.url = ""
        self.lists = 0  # how often the tools were listed
        self._tools: dict[str, _Scripted] = {}
        self._json_response = json_response
        self._sessions: set[ServerSession] = set()  # of the handshake
        self._news = _Bus()
        self._server = self._make(name)
        if handshake:
            self._server.add_request_handler("server/discover", RequestParams, _unknown)
        self._manager: StreamableHTTPSessionManager | None = None
        self._life: asyncio.Task[None] | None = None
        self._restart = asyncio.Event()
        self._arrived = asyncio.Condition()
        self._is_down = False
        self._aborts: dict[int, Callable[[], None]] = {}
        self._stack = AsyncExitStack()

    # The script.

    def tool(
        self, name: str, gives: Giver = "ok", *, description: str = "", schema: Mapping[str, JSON] = ANY_OBJECT
    ) -> None:
        """Adds a tool, or replaces one. Clients that are connected learn of it with `change()`."""
        self._tools[name] = _Scripted(Tool(name=name, description=description, input_schema=dict(schema)), gives)

    def remove(self, name: str) -> None:
        """Takes a tool away."""
        del self._tools[name]

    async def change(self) -> None:
        """Tells every client that listens that the tools have changed."""
        await self._news.publish(ToolsListChanged())
        for session in list(self._sessions):
            await session.send_tool_list_changed()

    def go_down(self) -> None:
        """Resets every connection, and each new one, until `come_up()`."""
        self._is_down = True
        self.cut()

    def cut(self) -> None:
        """Resets every connection there is now, streams of news among them."""
        self._news.listener.clear()
        for abort in list(self._aborts.values()):
            abort()

    async def come_up(self) -> None:
        """Serves again, as a process just started would: it knows no session any more."""
        await self.forget()
        self._is_down = False

    async def forget(self) -> None:
        """Ends all sessions of the handshake, as a restart would."""
        before, self._sessions = self._manager, set()
        self._restart.set()
        async with self._arrived:
            await self._arrived.wait_for(lambda: self._manager is not before)

    # What was seen.

    async def called(self, count: int = 1) -> None:
        """Returns once so many calls have come in."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.calls) >= count)

    async def listed(self, count: int = 1) -> None:
        """Returns once the tools have been listed so often."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.lists >= count)

    async def listened(self) -> None:
        """Returns once a client listens for changes."""
        await self._news.listener.wait()

    # The server.

    async def __aenter__(self) -> Self:
        self._life = asyncio.create_task(self._live())
        self._stack.push_async_callback(self._die)
        base = await self._stack.enter_async_context(serving(self._serve))
        self.url = f"{base}/mcp"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _make(self, name: str) -> Server[Any]:
        return Server(
            name,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_subscriptions_listen=ListenHandler(self._news),
        )

    async def _live(self) -> None:
        """Runs one session manager after the other, all in this task, to which their scopes belong."""
        while True:
            self._restart.clear()
            manager = StreamableHTTPSessionManager(self._server, json_response=self._json_response)
            async with manager.run():
                async with self._arrived:
                    self._manager = manager
                    self._arrived.notify_all()
                await self._restart.wait()

    async def _die(self) -> None:
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait({self._life})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _lifespan(receive, send)
        elif self._is_down or self._manager is None:
            scope["abort"]()
        else:
            self._aborts[id(scope)] = scope["abort"]
            try:
                await self._manager.handle_request(scope, receive, self._watching(scope, send))
            finally:
                del self._aborts[id(scope)]

    def _watching(self, scope: Scope, send: Send) -> Send:
        async def watched(message: Message) -> None:
            await send(message)
            if scope["method"] == "GET" and message.get("status") == 200:
                self._news.listener.set()  # the handshake's way to listen

        return watched

    async def _list_tools(
        self, context: ServerRequestContext[Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        if context.protocol_version < "2026":
            self._sessions.add(context.session)
        async with self._arrived:
            self.lists += 1
            self._arrived.notify_all()
        return ListToolsResult(tools=[scripted.tool for scripted in self._tools.values()])

    async def _call_tool(self, context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        headers = dict(context.request.headers) if context.request is not None else {}
        call = MCPCall(params.name, dict(params.arguments or {}), headers, dict(params.meta or {}))
        async with self._arrived:
            self.calls.append(call)
            self._arrived.notify_all()
        try:
            result = await self._answer(params.name, call.arguments)
            call.outcome = "answered"
        except asyncio.CancelledError:
            call.outcome = "cancelled"
            raise
        except Exception:
            call.outcome = "failed"
            raise
        finally:
            call.ended.set()
        return result

    async def _answer(self, tool: str, arguments: Arguments) -> CallToolResult:
        if tool not in self._tools:
            raise MCPError(METHOD_NOT_FOUND, f"there is no tool {tool!r}")
        given = self._tools[tool].giver
        if callable(given):
            given_now = given(arguments)
            given = await given_now if inspect.isawaitable(given_now) else given_now
        return _result(given)


class _Bus(InMemorySubscriptionBus):
    """Tells that somebody listens."""

    def __init__(self) -> None:
        super().__init__()
        self.listener = asyncio.Event()

    def subscribe(self, listener: Callable[[Any], None]) -> Callable[[], None]:
        self.listener.set()
        return super().subscribe(listener)


def _result(given: Given) -> CallToolResult:
    match given:
        case CallToolResult():
            return given
        case Exception():
            raise given
        case str():
            return CallToolResult(content=[TextContent(text=given)])
        case _:
            text = msgspec.json.encode(given).decode()
            return CallToolResult(content=[TextContent(text=text)], structured_content=given)


async def _unknown(context: ServerRequestContext[Any], params: RequestParams) -> DiscoverResult:
    raise MCPError(METHOD_NOT_FOUND, "Method not found")


async def _lifespan(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
