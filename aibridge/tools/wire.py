"""The way to a server: its transport opened, and what comes in watched.

The SDK tells nobody that a server hung up until the next request fails, and refuses a whole list of tools over one bad
schema. So the read side passes through here: its end is announced, and lists of tools are mended before being judged.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self

import anyio
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse

from aibridge.model import JSON
from aibridge.tools.http import (
    CONNECT_SECONDS,
    MAX_MESSAGE_BYTES,
    McpHttp,
    NewTransport,
    environment_decides,
    without_userinfo,
)
from aibridge.tools.listing import ANNOTATIONS
from aibridge.tools.schema import repaired
from aibridge.tools.settings import ServerSettings
from aibridge.tools.stdio import Streams, stdio_streams

MAX_DESCRIPTION_CHARS = 10_000
"""How much of a tool's description is kept: it goes upstream with every request."""

Item = SessionMessage | Exception


@asynccontextmanager
async def opened(
    settings: ServerSettings, http: McpHttp | None, *, on_end: Callable[[str], None]
) -> AsyncGenerator[Streams]:
    """Connects to the server over `http`, or starts it where it is a command. `on_end` hears that it hung up.

    Raises, on entry or from the block, whatever the transport does: OSError, httpx2's errors, groups of them.
    """
    async with _transport(settings, http, on_end) as (read, write):
        yield Watched(read, on_end), write


def http_client(
    settings: ServerSettings, *, on_trouble: Callable[[], None], new_transport: NewTransport | None = None
) -> McpHttp | None:
    """What goes to a server over HTTP, by a `new_transport` unless the environment has a say in it.

    None where the server is a command.
    """
    if settings.transport == "stdio":
        return None
    url, auth = without_userinfo(settings.url or "")
    transport = None if new_transport is None or environment_decides(url) else new_transport()
    return McpHttp(headers=settings.headers, auth=auth, on_trouble=on_trouble, transport=transport)


def _transport(
    settings: ServerSettings, http: McpHttp | None, on_end: Callable[[str], None]
) -> AbstractAsyncContextManager[Streams]:
    if http is None:
        return stdio_streams(settings.command or "", settings.args, settings.env, on_end=on_end)
    url, _ = without_userinfo(settings.url or "")
    if settings.transport == "sse":
        return sse_client(
            url, timeout=CONNECT_SECONDS, httpx_client_factory=lambda headers=None, timeout=None, auth=None: http
        )
    return _streamable_http(url, http)


@asynccontextmanager
async def _streamable_http(url: str, client: McpHttp) -> AsyncGenerator[Streams]:
    async with (
        client as http,
        streamable_http_client(url, http_client=http, max_sse_event_size=MAX_MESSAGE_BYTES) as streams,
    ):
        yield streams


class Watched:
    """The stream of a server's messages, seen on their way in."""

    def __init__(self, stream: Any, on_end: Callable[[str], None]) -> None:
        self._stream = stream
        self._on_end = on_end

    @property
    def last_context(self) -> Any:
        """The context in which the last message was sent; the SDK looks for it."""
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Item:
        """The next message. Raises anyio.EndOfStream when the server has hung up."""
        try:
            item: Item = await self._stream.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._on_end("the server closed the connection")
            raise
        _mend(item)
        return item

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def _mend(item: Item) -> None:
    """Mends the tools in an answer to `tools/list`, in place."""
    if isinstance(item, SessionMessage) and isinstance(item.message, JSONRPCResponse):
        result = item.message.result
        if isinstance(result.get("tools"), list):
            result["tools"] = [_mended(tool) for tool in result["tools"] if _is_tool(tool)]


def _is_tool(tool: JSON) -> bool:
    return isinstance(tool, dict) and isinstance(tool.get("name"), str)


def _mended(tool: dict[str, JSON]) -> dict[str, JSON]:
    """What we use of a tool. Its output schema isn't: the model may read what a tool says even if it lied about it."""
    texts = [text for text in (tool.get("description"), tool.get("title")) if text and isinstance(text, str)]
    description = texts[0][:MAX_DESCRIPTION_CHARS] if texts else ""
    mended = {"name": tool["name"], "description": description, "inputSchema": repaired(tool.get("inputSchema"))}
    return mended | {"_meta": {ANNOTATIONS: tool["annotations"]}} if tool.get("annotations") else mended
