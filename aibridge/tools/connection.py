"""One connection to a server, from its opening to its end.

The SDK's cancel scopes belong to the task that entered them, so one task runs a connection through; others look at its
client, make requests on it, and ask it to look after the server or to end.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping

import anyio
from mcp import Client, MCPError
from mcp.client import IncomingMessage
from mcp.client.subscriptions import SubscriptionLost
from mcp_types import METHOD_NOT_FOUND, CallToolResult, LoggingMessageNotificationParams, ToolListChangedNotification
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from aibridge.model import JSON
from aibridge.tools.direct import CLIENT_INFO, DirectCalls, Trace
from aibridge.tools.faults import ServerDown, explain
from aibridge.tools.http import McpHttp, NewTransport, without_userinfo
from aibridge.tools.listing import ListedTool, listed_tools
from aibridge.tools.settings import ServerSettings
from aibridge.tools.timing import Pauses, Timing
from aibridge.tools.wire import http_client, opened
from aibridge.tools.words import one_line

logger = logging.getLogger(__name__)

REFRESH_GAP = 0.1
"""Seconds between two lists of tools, however often a server says that they changed."""

Tools = tuple[ListedTool, ...]


class Connection:
    """A connection that is to be run once. `on_tools` gets the server's tools when it is up, and when they change."""

    def __init__(
        self,
        settings: ServerSettings,
        timing: Timing,
        *,
        on_tools: Callable[[Tools], None],
        new_transport: NewTransport | None = None,
        trace: Trace = lambda _: None,
    ) -> None:
        self.client: Client | None = None  # while the connection is up
        self.lost: str | None = None  # why it is no more
        self._settings = settings
        self._timing = timing
        self._on_tools = on_tools
        self._new_transport = new_transport
        self._trace = trace
        self._direct: DirectCalls | None = None  # over streamable HTTP, while the connection is up
        self._tools: Tools | None = None  # None: it was never up
        self._scope: anyio.CancelScope | None = None  # around the whole of it
        self._look = asyncio.Event()

    async def run(self) -> str:
        """Connects and stays so until the connection is lost or closed. Returns why; raises only if it is cancelled."""
        limit = self._timing.start if self._settings.transport == "stdio" else self._timing.connect
        http = http_client(self._settings, on_trouble=self.look, new_transport=self._new_transport)
        try:
            with anyio.CancelScope(deadline=anyio.current_time() + limit) as self._scope:
                async with self._new_client(http) as client:
                    tools = await listed_tools(client, self._settings)
                    self._scope.deadline = math.inf
                    self._direct = self._direct_calls(client, http)
                    self._up(client, tools)
                    await self._serve(client)
                    self._scope.deadline = anyio.current_time() + self._timing.close
        except Exception as error:  # noqa: BLE001  the transports raise all kinds; each ends this connection alone
            return self.lost or explain(error, self._settings.secrets)
        finally:
            self.client = None
            if self._direct is not None:
                await self._direct.aclose()
        return self.lost or f"the server did not complete the handshake within {limit:g} s"

    async def call(self, tool: str, arguments: Mapping[str, JSON]) -> CallToolResult:
        """Runs a tool. Raises MCPError for an error of the server's, ServerDown where the connection isn't up."""
        if self.client is None:
            raise ServerDown("the server is not connected")
        if self._direct is not None:
            return await self._direct.call(tool, arguments)
        return await self.client.call_tool(tool, dict(arguments))

    def look(self) -> None:
        """Has the tools listed again: they may have changed, or the server may be dead, which shows by this."""
        self._look.set()

    def lose(self, reason: str) -> None:
        """Notes that the connection is of no use any more, and why; the first reason counts."""
        if self.lost is None:
            self.lost = explain(ServerDown(reason), self._settings.secrets)
        self.client = None
        self._look.set()

    def close(self, reason: str) -> None:
        """Ends the connection, at once where it isn't up yet."""
        if self._tools is None and self._scope is not None:
            self._scope.cancel()
        self.lose(reason)

    def _new_client(self, http: McpHttp | None) -> Client:
        return Client(
            opened(self._settings, http, on_end=self.lose),
            cache=None,
            client_info=CLIENT_INFO,
            message_handler=self._on_message,
            logging_callback=self._on_log,
        )

    def _direct_calls(self, client: Client, http: McpHttp | None) -> DirectCalls | None:
        if http is None or self._settings.transport != "streamable-http":
            return None
        url, _ = without_userinfo(self._settings.url or "")
        return DirectCalls(client, http, url, on_change=self.look, trace=self._trace)

    def _up(self, client: Client, tools: Tools) -> None:
        if self.lost is None:
            self.client = client
        if client.instructions:
            logger.debug("MCP server %s instructs: %s", self._settings.name, one_line(client.instructions))
        self._listed(tools)

    async def _serve(self, client: Client) -> None:
        """Keeps the list of tools fresh until the connection is lost."""
        async with anyio.create_task_group() as tasks:
            if _announces_by_subscription(client):
                tasks.start_soon(self._listen, client)
            while True:
                await self._look.wait()
                self._look.clear()
                if self.lost is None:
                    await self._refresh(client)
                if self.lost is not None:
                    break
            tasks.cancel_scope.cancel()

    async def _refresh(self, client: Client) -> None:
        try:
            with anyio.fail_after(self._timing.refresh):
                self._listed(await listed_tools(client, self._settings))
        except Exception as error:  # noqa: BLE001  a server that can't list its tools is dead, or as good as
            self.lose(explain(error))
        else:
            await anyio.sleep(REFRESH_GAP)

    def _listed(self, tools: Tools) -> None:
        if tools != self._tools:
            self._tools = tools
            if self._direct is not None:
                self._direct.know(tools)
            self._on_tools(tools)

    async def _listen(self, client: Client) -> None:
        """Hears of changed tools where the protocol tells of them only to those who ask."""
        pauses = Pauses(self._timing)
        while True:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    self.look()  # at what changed before we listened
                    async for _ in changes:
                        self.look()
            except (MCPError, SubscriptionLost) as error:
                logger.debug("MCP server %s tells no more changes: %s", self._settings.name, explain(error))
                if isinstance(error, MCPError) and error.code == METHOD_NOT_FOUND:
                    return
            self.look()  # perhaps the server is gone
            await self._timing.sleep(pauses.next())

    async def _on_message(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self.look()

    async def _on_log(self, params: LoggingMessageNotificationParams) -> None:
        logger.debug("MCP server %s says: %s", self._settings.name, one_line(str(params.data)))


def _announces_by_subscription(client: Client) -> bool:
    tools = client.server_capabilities.tools
    return client.protocol_version in MODERN_PROTOCOL_VERSIONS and tools is not None and bool(tools.list_changed)
