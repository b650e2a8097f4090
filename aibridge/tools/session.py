"""One MCP server, kept connected.

The SDK's cancel scopes belong to the task that entered them, so one task owns the connection from its opening to its
end, and callers only make requests on it. The owner reconnects for ever: at once when a call needs the server, else
after pauses that grow. While a lost connection is tried again for the first time its tools stay on offer, so that a
server's restart is not seen; when that fails they are withdrawn.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import anyio
from mcp import Client, MCPError
from mcp.client import IncomingMessage
from mcp.client.subscriptions import SubscriptionLost
from mcp_types import (
    CONNECTION_CLOSED,
    METHOD_NOT_FOUND,
    CallToolResult,
    Implementation,
    LoggingMessageNotificationParams,
    ToolListChangedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from aibridge import __version__
from aibridge.model import JSON, ToolResult
from aibridge.tools.faults import ServerDown, explain, one_line
from aibridge.tools.http import SESSION_LOST
from aibridge.tools.listing import ListedTool, listed_tools
from aibridge.tools.result import tool_result
from aibridge.tools.settings import ServerSettings
from aibridge.tools.timing import Pauses, Timing
from aibridge.tools.wire import opened

logger = logging.getLogger(__name__)

State = Literal["connecting", "connected", "failed"]

REFRESH_GAP = 0.1
"""Seconds between two lists of tools, however often a server says that they changed."""

_CLOSING = "the gateway is closing"


class ServerSession:
    """The connection to one server and what is known of it: `state`, the `reason` of a failure, its `tools`."""

    def __init__(
        self,
        settings: ServerSettings,
        *,
        max_result_chars: int = 200_000,
        timing: Timing | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.state: State = "connecting"
        self.reason: str | None = None
        self.tools: tuple[ListedTool, ...] = ()
        self._max_result_chars = max_result_chars
        self._timing = timing or Timing()
        self._on_change = on_change
        self._client: Client | None = None
        self._scope: anyio.CancelScope | None = None  # around the connection
        self._lost: str | None = None  # why the connection must be given up
        self._look = asyncio.Event()  # the owner must look: at its orders, at the server
        self._hurry = asyncio.Event()  # a call waits for the server
        self._attempt = asyncio.Event()  # set when the attempt to connect has come to something; then a new one
        self._stopping = False
        self._owner: asyncio.Task[None] | None = None
        self._requests: set[asyncio.Task[CallToolResult]] = set()

    def start(self) -> None:
        """Begins to connect, and returns."""
        self._owner = asyncio.create_task(self._own(), name=f"mcp-server-{self.settings.name}")

    async def aclose(self) -> None:
        """Ends the connection, the server's process too, within a bounded time. Calls in flight fail."""
        self._stopping = True
        self._look.set()
        self._hurry.set()
        if self._client is None and self._scope is not None:
            self._scope.cancel()
        if self._owner is not None:
            await _ended(self._owner, within=self._timing.close + 5)
        for request in list(self._requests):
            await _ended(request, within=0)

    async def settled(self) -> None:
        """Waits until the server is connected, or known not to be."""
        while self.state == "connecting" and not self._stopping:
            await self._attempt.wait()

    async def call(self, tool: str, arguments: Mapping[str, JSON]) -> ToolResult:
        """Runs a tool within the server's timeout; a failure of any kind is a result.

        Being cancelled, or too slow, cancels the request, and the server is told.
        """
        request = asyncio.create_task(self._request(tool, dict(arguments)))
        self._requests.add(request)
        request.add_done_callback(self._forget)
        try:
            await asyncio.wait({request}, timeout=self.settings.timeout)
            if request.done():
                return self._result(tool, request)
        finally:
            request.cancel()  # not awaited: telling a stuck server can take seconds, and the caller has none
        self._look.set()  # a tool may be slow, but a server that doesn't even list its tools is dead
        return ToolResult.failure(f"{self._label(tool)} did not answer within {self.settings.timeout:g} s")

    # The callers' side.

    async def _request(self, tool: str, arguments: dict[str, JSON]) -> CallToolResult:
        client = await self._connected_client()
        try:
            return await client.call_tool(tool, arguments)
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                self._look.set()
            if error.code != SESSION_LOST:
                raise
        self._give_up(client, "the server has forgotten the session")
        client = await self._connected_client()  # the server refused the call, so it may be made again
        return await client.call_tool(tool, arguments)

    async def _connected_client(self) -> Client:
        """The client, after another attempt to connect where there is none. Raises ServerDown."""
        if self._client is None and not self._stopping:
            attempt = self._attempt
            self._hurry.set()
            await attempt.wait()
        if self._client is None:
            raise ServerDown(f"the server is not connected ({self.reason})")
        return self._client

    def _give_up(self, client: Client, reason: str) -> None:
        """Has the connection ended and made anew, unless it is another one by now."""
        if self._client is client:
            self._client, self._lost = None, reason
            self._look.set()

    def _result(self, tool: str, request: asyncio.Task[CallToolResult]) -> ToolResult:
        if request.cancelled():
            return ToolResult.failure(f"{self._label(tool)}: {_CLOSING}")
        try:
            return tool_result(request.result(), self._max_result_chars)
        except Exception as error:  # noqa: BLE001  whatever a server makes the SDK raise, the model is told
            reason = explain(error, self.settings.secrets)
        logger.warning("MCP tool %s failed: %s", one_line(self._label(tool)), reason)
        return ToolResult.failure(f"{self._label(tool)} failed: {reason}")

    def _label(self, tool: str) -> str:
        return f"{self.settings.name}_{tool}"

    def _forget(self, request: asyncio.Task[CallToolResult]) -> None:
        self._requests.discard(request)
        if not request.cancelled():
            request.exception()  # seen, so that asyncio doesn't report one that nobody waits for any more

    # The owner's side.

    async def _own(self) -> None:
        pauses = Pauses(self._timing)
        while not self._stopping:
            self._begin()
            began = self._timing.clock()
            reason = await self._connection()
            if self._timing.clock() - began > self._timing.longest_pause:
                pauses.reset()
            await self._after(reason, pauses.next())
        self._conclude("failed", _CLOSING, ())

    async def _after(self, reason: str, pause: float) -> None:
        if not self._stopping:
            self._down(reason)
            await self._pause(pause)

    def _begin(self) -> None:
        self._lost = None
        self._look.clear()

    async def _connection(self) -> str:
        """Makes one connection and lives through it. Returns why it ended, or did not come about."""
        limit = self._timing.start if self.settings.transport == "stdio" else self._timing.connect
        try:
            with anyio.CancelScope(deadline=anyio.current_time() + limit) as self._scope:
                async with self._new_client() as client:
                    tools = await listed_tools(client, self.settings)
                    self._scope.deadline = math.inf
                    self._up(client, tools)
                    await self._serve(client)
                    self._client = None
                    self._scope.deadline = anyio.current_time() + self._timing.close
        except Exception as error:  # noqa: BLE001  the SDK's transports raise all kinds; each ends this connection alone
            return self._lost or explain(error, self.settings.secrets)
        finally:
            self._client = self._scope = None
        return self._lost or f"the server did not complete the handshake within {limit:g} s"

    def _new_client(self) -> Client:
        return Client(
            opened(self.settings, on_end=self._on_end, on_trouble=self._look.set),
            cache=None,
            client_info=Implementation(name="aibridge", version=__version__),
            message_handler=self._on_message,
            logging_callback=self._on_log,
        )

    async def _serve(self, client: Client) -> None:
        """Keeps the list of tools fresh until the connection is lost or no longer wanted."""
        async with anyio.create_task_group() as tasks:
            if _announces_by_subscription(client):
                tasks.start_soon(self._listen, client)
            while True:
                await self._look.wait()
                self._look.clear()
                if self._stopping or self._lost:
                    break
                try:
                    await self._refresh(client)
                except Exception as error:  # noqa: BLE001  one that can't list its tools is dead, or as good as
                    self._lost = explain(error, self.settings.secrets)
                    break
            tasks.cancel_scope.cancel()

    async def _refresh(self, client: Client) -> None:
        with anyio.fail_after(self._timing.refresh):
            tools = await listed_tools(client, self.settings)
        if tools != self.tools:
            logger.info("MCP server %s changed its tools: %d now", self.settings.name, len(tools))
            self.tools = tools
            self._on_change()
        await anyio.sleep(REFRESH_GAP)

    async def _listen(self, client: Client) -> None:
        """Hears of changed tools where the protocol has no notifications of its own accord."""
        pauses = Pauses(self._timing)
        while True:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    self._look.set()  # for what changed before we listened
                    async for _ in changes:
                        self._look.set()
            except MCPError as error:
                if error.code == METHOD_NOT_FOUND:
                    return
            except SubscriptionLost:
                pass
            self._look.set()  # perhaps the server is gone
            await self._timing.sleep(pauses.next())

    async def _on_message(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._look.set()

    async def _on_log(self, params: LoggingMessageNotificationParams) -> None:
        logger.debug("MCP server %s says: %s", self.settings.name, one_line(str(params.data)))

    def _on_end(self) -> None:
        if self._client is not None:
            self._give_up(self._client, "the server closed the connection")

    def _up(self, client: Client, tools: tuple[ListedTool, ...]) -> None:
        self._client = client
        logger.info("MCP server %s is connected: %d tools", self.settings.name, len(tools))
        if client.instructions:
            logger.debug("MCP server %s instructs: %s", self.settings.name, one_line(client.instructions))
        self._conclude("connected", None, tools)

    def _down(self, reason: str) -> None:
        """Notes the end of a connection, or of an attempt at one."""
        level = logging.DEBUG if (self.state, self.reason) == ("failed", reason) else logging.WARNING
        logger.log(level, "MCP server %s is not connected: %s", self.settings.name, reason)
        if self.state == "connected":
            self.state, self.reason = "connecting", reason
        else:
            self._conclude("failed", reason, ())

    def _conclude(self, state: State, reason: str | None, tools: tuple[ListedTool, ...]) -> None:
        """Says what an attempt to connect has come to, and lets those go on who wait for it."""
        changed = tools != self.tools
        self.state, self.reason, self.tools = state, reason, tools
        self._hurry.clear()
        self._attempt.set()
        self._attempt = asyncio.Event()
        if changed:
            self._on_change()

    async def _pause(self, seconds: float) -> None:
        """Waits, but not once a call needs the server."""

        async def hurried() -> None:
            await self._hurry.wait()
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hurried)
            await self._timing.sleep(seconds)
            tasks.cancel_scope.cancel()


def _announces_by_subscription(client: Client) -> bool:
    tools = client.server_capabilities.tools
    return client.protocol_version in MODERN_PROTOCOL_VERSIONS and tools is not None and bool(tools.list_changed)


async def _ended(task: asyncio.Task[Any], within: float) -> None:
    """Waits for a task's end, then cancels it and waits a second more."""
    await asyncio.wait({task}, timeout=within)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1)
