"""One MCP server, kept connected, and the calls made to it.

It is reconnected for ever: at once when a call needs it, else after pauses that grow. While a lost connection is tried
again for the first time its tools stay on offer, so that a server's restart is not seen; when that fails they are
withdrawn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal

from mcp import MCPError
from mcp_types import CONNECTION_CLOSED, CallToolResult
from msgspec.structs import replace

from aibridge.model import JSON, Text, ToolResult
from aibridge.tools.breaker import Breaker
from aibridge.tools.connection import Connection, Tools
from aibridge.tools.direct import Trace
from aibridge.tools.faults import ServerDown, explain
from aibridge.tools.http import SESSION_LOST, NewTransport
from aibridge.tools.result import tool_result
from aibridge.tools.settings import ServerSettings
from aibridge.tools.timing import Pauses, Timing, pause
from aibridge.tools.words import one_line, without

logger = logging.getLogger(__name__)

State = Literal["connecting", "connected", "failed"]

_CLOSING = "the gateway is closing"


class ServerSession:
    """The way to one server, over as many connections as it takes: its `state`, why it failed, and its `tools`."""

    def __init__(
        self,
        settings: ServerSettings,
        *,
        max_result_chars: int = 200_000,
        timing: Timing | None = None,
        on_change: Callable[[], None] = lambda: None,
        new_transport: NewTransport | None = None,
        trace: Trace = lambda _: None,
    ) -> None:
        self.settings = settings
        self.state: State = "connecting"
        self.reason: str | None = None
        self.tools: Tools = ()
        self._max_result_chars = max_result_chars
        self._timing = timing or Timing()
        self._breaker = Breaker(failures=self._timing.failures, seconds=self._timing.cool_down)
        self.on_change = on_change
        self._new_transport = new_transport
        self._trace = trace
        self._connection = self._new_connection()
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
        self._hurry.set()
        self._connection.close(_CLOSING)
        if self._owner is not None:
            await _end(self._owner, within=self._timing.close + 5)
        for request in list(self._requests):
            await _end(request, within=0)

    async def settled(self) -> None:
        """Waits until the server is connected, or known not to be."""
        while self.state == "connecting" and not self._stopping:
            await self._attempt.wait()

    async def call(self, tool: str, arguments: Mapping[str, JSON]) -> ToolResult:
        """Runs a tool within the server's timeout; a failure of any kind is a result.

        Being cancelled, or too slow, cancels the request, and the server is told. One that fails time and again is not
        called for a while.
        """
        began = self._timing.clock()
        if (seconds := self._breaker.admit(began)) > 0:
            return self._refusal(tool, seconds)
        request = asyncio.create_task(self._request(tool, arguments))
        self._requests.add(request)
        request.add_done_callback(self._forget)
        try:
            await asyncio.wait({request}, timeout=self.settings.timeout)
            self._learn(request, began)
            if request.done():
                return self._result(tool, request)
        except asyncio.CancelledError:
            self._breaker.drop()
            raise
        finally:
            request.cancel()  # not awaited: telling a stuck server can take seconds, and the caller has none
        self._connection.look()  # a tool may be slow, but a server that doesn't even list its tools is dead
        return ToolResult.failure(f"{self._label(tool)} did not answer within {self.settings.timeout:g} s")

    def _refusal(self, tool: str, seconds: float) -> ToolResult:
        why = f"its server failed {self._timing.failures} times in a row and is left alone for another {seconds:.0f} s"
        return ToolResult.failure(f"{self._label(tool)} was not called: {why}")

    def _learn(self, request: asyncio.Task[CallToolResult], began: float) -> None:
        """Tells the breaker how a call went; one that isn't done was too slow."""
        if request.cancelled():
            self._breaker.drop()
        elif request.done() and not _is_outage(request.exception()):
            self._breaker.succeed()
        else:
            self._breaker.fail(began, self._timing.clock())
            if self._breaker.open:
                name, seconds = self.settings.name, self._timing.cool_down
                logger.warning("MCP server %s failed too often: it is left alone for %g s", name, seconds)

    # The callers' side.

    async def _request(self, tool: str, arguments: Mapping[str, JSON]) -> CallToolResult:
        try:
            return await self._attempted(tool, arguments)
        except MCPError as error:
            if error.code != SESSION_LOST:
                raise
        return await self._attempted(tool, arguments)  # the server refused to hear the call, so it may be made again

    async def _attempted(self, tool: str, arguments: Mapping[str, JSON]) -> CallToolResult:
        connection = await self._connected()
        if connection.client is None:
            raise ServerDown(f"the server is not connected ({self.reason})")
        try:
            return await connection.call(tool, arguments)
        except MCPError as error:
            if error.code == SESSION_LOST:
                connection.lose(str(error))
            elif error.code == CONNECTION_CLOSED:
                connection.look()
                if connection.lost:
                    raise ServerDown(connection.lost) from error
            raise

    async def _connected(self) -> Connection:
        """The connection, after another attempt at one where it is down."""
        if self._connection.client is None and not self._stopping:
            attempt = self._attempt
            self._hurry.set()
            await attempt.wait()
        return self._connection

    def _result(self, tool: str, request: asyncio.Task[CallToolResult]) -> ToolResult:
        try:
            return self._told(tool_result(request.result(), self._max_result_chars))
        except asyncio.CancelledError:
            reason = _CLOSING
        except Exception as error:  # noqa: BLE001  whatever a server makes the SDK raise, the model is told
            reason = explain(error, self.settings.secrets)
        logger.warning("MCP tool %s failed: %s", one_line(self._label(tool)), reason)
        return ToolResult.failure(f"{self._label(tool)} failed: {reason}")

    def _told(self, result: ToolResult) -> ToolResult:
        """The result; a failure is told without what lets us in, for servers like to quote what they were sent."""
        if result.error is None:
            return result
        secrets = self.settings.credentials
        parts = (Text(without(secrets, part.text)) if isinstance(part, Text) else part for part in result.parts)
        return replace(result, parts=tuple(parts), error=without(self.settings.secrets, result.error))

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
            began = self._timing.clock()
            reason = await self._connection.run()
            if self._timing.clock() - began > self._timing.longest_pause:
                pauses.reset()
            await self._after(reason, pauses.next())
        self._conclude("failed", _CLOSING, ())

    async def _after(self, reason: str, seconds: float) -> None:
        if not self._stopping:
            self._connection = self._new_connection()
            self._down(reason)
            await pause(seconds, self._timing.sleep, unless=self._hurry)

    def _new_connection(self) -> Connection:
        return Connection(
            self.settings,
            self._timing,
            on_tools=self._listed,
            new_transport=self._new_transport,
            trace=self._trace,
        )

    def _listed(self, tools: Tools) -> None:
        logger.info("MCP server %s has %d tools", self.settings.name, len(tools))
        if self.state != "connected":
            self._breaker.hint()
        self._conclude("connected", None, tools)

    def _down(self, reason: str) -> None:
        """Notes the end of a connection, or of an attempt at one."""
        level = logging.DEBUG if (self.state, self.reason) == ("failed", reason) else logging.WARNING
        logger.log(level, "MCP server %s is not connected: %s", self.settings.name, reason)
        if self.state == "connected":
            self.state, self.reason = "connecting", reason
        else:
            self._conclude("failed", reason, ())

    def _conclude(self, state: State, reason: str | None, tools: Tools) -> None:
        """Says what an attempt to connect has come to, and lets those go on who wait for it."""
        changed = tools != self.tools
        self.state, self.reason, self.tools = state, reason, tools
        self._hurry.clear()
        self._attempt.set()
        self._attempt = asyncio.Event()
        if changed:
            self.on_change()


def _is_outage(error: BaseException | None) -> bool:
    """Whether a call failed for its server, or the way to it, and not for what was asked."""
    if isinstance(error, MCPError):
        return error.code in (CONNECTION_CLOSED, SESSION_LOST)
    return isinstance(error, ServerDown)


async def _end(task: asyncio.Task[Any], within: float) -> None:
    """Waits for a task's end, then cancels it and waits a second more."""
    await asyncio.wait({task}, timeout=within)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1)
