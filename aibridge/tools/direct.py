"""Calls of tools over streamable HTTP, made past the SDK: its models, streams and tasks cost more than all the rest.

The SDK opens the session, lists tools and hears of changes. A call is one POST in that session and one answer, in JSON
or in a stream of events, as the protocol's chapter on transports has it; what is rare about one is left to the SDK.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress

import httpx2
import msgspec
from mcp import Client, MCPError
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    encode_header_value,
    mcp_param_headers,
    x_mcp_header_map,
)
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    CONNECTION_CLOSED,
    HEADER_MISMATCH,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    PROTOCOL_VERSION_META_KEY,
    CallToolResult,
    Implementation,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from aibridge import __version__
from aibridge.model import JSON
from aibridge.tools.answer import Message, Place, is_events, messages, whole
from aibridge.tools.faults import answered
from aibridge.tools.http import McpHttp
from aibridge.tools.listing import ListedTool
from aibridge.tools.words import one_line

logger = logging.getLogger(__name__)

CLIENT_INFO = Implementation(name="aibridge", version=__version__)
"""How we introduce ourselves."""

Trace = Callable[[dict[str, str]], None]
"""Adds the current trace, in W3C's terms, to what a server is told of a call."""

WITHDRAW_SECONDS = 2.0
"""How long a server may take to be told that nobody waits for a call any more."""

END_SECONDS = 1.0
"""How long a stream may go on when its answer has come."""

_ACCEPT = {"accept": "application/json, text/event-stream"}


class DirectCalls:
    """Calls in the session of a `client` that is connected over `http`. `on_change`: the server's tools changed."""

    def __init__(self, client: Client, http: McpHttp, url: str, *, on_change: Callable[[], None], trace: Trace) -> None:
        version = client.protocol_version
        self._client = client
        self._http = http
        self._url = httpx2.URL(url)
        self._on_change = on_change
        self._trace = trace
        self._headers = _ACCEPT | {MCP_PROTOCOL_VERSION_HEADER: version}
        self._modern = version in MODERN_PROTOCOL_VERSIONS  # no session: each request says all there is to know
        self._envelope = _envelope(version) if self._modern else {}
        self._mirrored: dict[str, dict[tuple[str, ...], str]] = {}  # arguments that go into headers too, by tool
        self._endings: set[asyncio.Task[None]] = set()
        self._count = 0

    def know(self, tools: Iterable[ListedTool]) -> None:
        """Takes note of what the tools want of a call's headers."""
        if self._modern:
            maps = ((tool.name, x_mcp_header_map(msgspec.json.decode(tool.schema))) for tool in tools)
            self._mirrored = {name: mirrored for name, mirrored in maps if mirrored}

    async def call(self, tool: str, arguments: Mapping[str, JSON]) -> CallToolResult:
        """Runs a tool. Being cancelled tells the server so.

        Raises MCPError for an error of the server's or of the way to it, ValueError for a result that is none.
        """
        self._count += 1
        name = f"aibridge-{self._count}"  # the SDK numbers its own requests in this session
        try:
            message = await self._asked(self._request(name, tool, arguments))
        except asyncio.CancelledError:
            await self._withdraw(name)
            raise
        if message is None or _is_rare(message):
            return await self._client.call_tool(tool, dict(arguments))
        if message.error is not None:
            raise MCPError(message.error.code, message.error.message)
        return CallToolResult.model_validate(message.result, by_name=False)

    async def aclose(self) -> None:
        """Leaves nothing running but the calls, which end with their connection."""
        for ending in self._endings:
            ending.cancel()
        await asyncio.gather(*self._endings, return_exceptions=True)

    # What goes out.

    def _request(self, name: str, tool: str, arguments: Mapping[str, JSON]) -> httpx2.Request:
        meta: dict[str, str] = {}
        self._trace(meta)
        params: dict[str, JSON] = {"name": tool, "arguments": arguments}
        if meta or self._envelope:
            params["_meta"] = meta | self._envelope
        headers: dict[str, str] = {}
        if self._modern:
            headers = {MCP_METHOD_HEADER: "tools/call", MCP_NAME_HEADER: encode_header_value(tool)}
            if tool in self._mirrored:
                headers |= mcp_param_headers(self._mirrored[tool], arguments)
        return self._post({"id": name, "method": "tools/call", "params": params}, headers)

    def _post(self, message: dict[str, JSON], headers: Mapping[str, str] | None = None) -> httpx2.Request:
        body = msgspec.json.encode({"jsonrpc": "2.0", **message})
        headers = self._in_session({"content-type": "application/json", **(headers or {})})
        return self._http.build_request("POST", self._url, content=body, headers=headers)

    def _in_session(self, headers: dict[str, str]) -> dict[str, str]:
        if self._http.session_id is not None:
            headers["mcp-session-id"] = self._http.session_id
        return self._headers | headers

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        if self._http.is_closed:
            raise MCPError(CONNECTION_CLOSED, "the connection was closed")
        return await self._http.send(request, stream=True, follow_redirects=False)

    async def _tell(self, message: dict[str, JSON]) -> None:
        """Sends what has no answer."""
        response = await self._send(self._post(message))
        await response.aclose()

    async def _withdraw(self, name: str) -> None:
        """Says that a call is not waited for any more, where the end of its connection doesn't say so."""
        if self._modern or self._http.is_closed:
            return
        params = {"requestId": name, "reason": "the caller has gone"}
        try:
            async with asyncio.timeout(WITHDRAW_SECONDS):
                await self._tell({"method": "notifications/cancelled", "params": params})
        except (TimeoutError, MCPError):
            logger.debug("an MCP server could not be told that a call is withdrawn")

    # What comes back.

    async def _asked(self, request: httpx2.Request) -> Message | None:
        """The answer; None where it is a redirection, of which the SDK knows whether to follow it."""
        response = await self._send(request)
        if is_events(response):
            return await self._followed(response)
        try:
            return None if response.is_redirect else await _in_json(response)
        finally:
            await response.aclose()

    async def _followed(self, response: httpx2.Response) -> Message:
        """The answer in a stream, which the server may end early to have it asked for again."""
        place = Place()
        answer = await self._read(response, place)
        while answer is None:
            if not place.resumable:
                raise MCPError(CONNECTION_CLOSED, "the server ended the stream before its answer")
            await asyncio.sleep(place.pause())
            answer = await self._resumed(place)
        return answer

    async def _resumed(self, place: Place) -> Message | None:
        headers = self._in_session({"last-event-id": place.last_id})
        try:
            response = await self._send(self._http.build_request("GET", self._url, headers=headers))
        except httpx2.TransportError:
            return None
        if is_events(response):
            return await self._read(response, place)
        await response.aclose()
        return None

    async def _read(self, response: httpx2.Response, place: Place) -> Message | None:
        """Heeds all that comes before the answer; None where the stream ends without one."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(response.aclose)
            stream = messages(response, place)
            answer = await self._answer(stream)
            if answer is not None:
                stack.pop_all()
                self._let_end(response, stream)
            return answer

    async def _answer(self, stream: AsyncIterator[Message]) -> Message | None:
        try:
            async for message in stream:
                if message.method is None:
                    return message
                await self._heed(message)
        except (httpx2.TransportError, httpx2.StreamError) as error:
            logger.debug("a stream of an MCP server broke: %s", type(error).__name__)
        except ValueError as error:
            raise MCPError(PARSE_ERROR, f"Failed to parse SSE message: {error}") from error
        return None

    def _let_end(self, response: httpx2.Response, stream: AsyncIterator[Message]) -> None:
        """Reads on for a moment while nobody waits: a connection whose stream has ended can serve the next call."""
        ending = asyncio.create_task(_ended(response, stream), name="mcp-stream-end")
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _heed(self, message: Message) -> None:
        """What a server may say beside its answer. We let it ask nothing of us but whether we live."""
        if message.id is not None:
            unknown = {"error": {"code": METHOD_NOT_FOUND, "message": f"aibridge does not know {message.method}"}}
            await self._tell({"id": message.id, **({"result": {}} if message.method == "ping" else unknown)})
        elif message.method == "notifications/tools/list_changed":
            self._on_change()
        elif message.method == "notifications/message":
            logger.debug("an MCP server says: %s", one_line(str(message.params)))


async def _ended(response: httpx2.Response, stream: AsyncIterator[Message]) -> None:
    with suppress(TimeoutError, ValueError, httpx2.TransportError, httpx2.StreamError):
        async with asyncio.timeout(END_SECONDS):
            async for _ in stream:
                pass
    await response.aclose()  # which a cancelled task leaves to the end of the client


def _envelope(version: str) -> dict[str, JSON]:
    """What the protocol without sessions has every request say of its client."""
    return {
        PROTOCOL_VERSION_META_KEY: version,
        CLIENT_INFO_META_KEY: CLIENT_INFO.model_dump(by_alias=True, mode="json", exclude_none=True),
        CLIENT_CAPABILITIES_META_KEY: {},
    }


async def _in_json(response: httpx2.Response) -> Message:
    kind = response.headers.get("content-type", "no type")
    if not kind.lower().startswith("application/json"):
        raise MCPError(INVALID_REQUEST, f"{answered(response)} with content of {one_line(kind)}")
    try:
        return whole(await response.aread())
    except (httpx2.StreamError, ValueError) as error:
        raise MCPError(PARSE_ERROR, f"Failed to parse JSON response: {error}") from error


def _is_rare(message: Message) -> bool:
    """Whether the server has not run the tool to its end, and wants to be asked in a way that the SDK knows."""
    if message.error is not None:
        return message.error.code == HEADER_MISMATCH
    return isinstance(message.result, dict) and message.result.get("resultType", "complete") == "input_required"
