"""All MCP servers together: what they offer to one interception, and the calls it makes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from aibridge.model import Actor, InjectedTool, ToolCall, ToolResult
from aibridge.ports import EmptyToolbox, Toolbox
from aibridge.tools.naming import injected_names
from aibridge.tools.pinning import MemoryPins, Pinning, Pins
from aibridge.tools.settings import ServerSettings, ToolSettings
from aibridge.tools.timing import Timing

if TYPE_CHECKING:
    from aibridge.tools.direct import Trace
    from aibridge.tools.http import NewTransport
    from aibridge.tools.session import ServerSession, State

logger = logging.getLogger(__name__)

Now = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ServerState:
    """How one server is, for people and for `/readyz`."""

    server: str
    state: State
    reason: str | None  # of a failure
    tools: int


class ToolServers:
    """The configured MCP servers, kept connected between `start()` and `aclose()`. Implements ports.Toolboxes.

    A server that is down stops neither the start nor a request: its tools are offered once it is up. `new_transport`
    makes what HTTP goes over, for each connection to a server; without one it is httpx2's own. `before`: those that
    these follow. Servers that have not changed keep their session, and tell these of their tools from now on. `trace`
    adds the current trace to what a server is told of a call. `pins` says which tools are as they were; without it,
    this process does.
    """

    def __init__(
        self,
        servers: Iterable[ServerSettings],
        settings: ToolSettings | None = None,
        *,
        now: Now = _now,
        timing: Timing | None = None,
        new_transport: NewTransport | None = None,
        before: ToolServers | None = None,
        trace: Trace = lambda _: None,
        pins: Pins | None = None,
    ) -> None:
        self._settings = settings or ToolSettings()
        self._now = now
        self._timing = timing
        self._new_transport = new_transport
        self._trace = trace
        self._pinning = Pinning(pins or MemoryPins(), self._settings.pinning, on_change=self._forget_offers)
        self._sessions: dict[str, ServerSession] = {}
        for server in servers:
            if server.name in self._sessions:
                raise ValueError(f"mcp_servers: {server.name!r} is configured twice")
            self._sessions[server.name] = (before and before._kept(server, self._settings)) or self._session(server)
        self._new = frozenset(self._sessions.values()) - (before.parts if before else frozenset())
        self._offers: dict[frozenset[str], tuple[InjectedTool, ...]] = {}  # by the servers they are from

    @property
    def parts(self) -> frozenset[ServerSession | Pinning]:
        """The sessions, which others may share, and what compares their tools."""
        return frozenset({*self._sessions.values(), self._pinning})

    @property
    def new_parts(self) -> frozenset[ServerSession | Pinning]:
        """Of those the ones that were made for these."""
        return frozenset({*self._new, self._pinning})

    async def start(self) -> None:
        """Begins to connect to the servers that are new, and returns; `settled()` waits for them."""
        self._pinning.start()
        for name, session in self._sessions.items():
            if session not in self._new:
                self._pinning.see(name, session.tools)
        for session in self._new:
            session.start()

    def take_over(self) -> None:
        """Hears of all changed tools from now on, in place of those before."""
        self._offers.clear()
        for name, session in self._sessions.items():
            session.on_change = partial(self._changed, name)

    async def aclose(self) -> None:
        """Ends all connections and processes, within a bounded time."""
        await asyncio.gather(*(session.aclose() for session in self._sessions.values()))
        await self._pinning.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def settled(self, timeout: float | None = None) -> bool:
        """Waits, `timeout` seconds at most, until every server is connected or has failed; says whether that is so.

        The tools of those that are connected have been compared with their pins by then.
        """
        try:
            async with asyncio.timeout(timeout):
                await asyncio.gather(*(session.settled() for session in self._sessions.values()))
                await self._pinning.settled()
        except TimeoutError:
            return False
        return True

    def states(self) -> list[ServerState]:
        """How each server is, in the order of the configuration."""
        return [
            ServerState(name, session.state, session.reason, len(session.tools))
            for name, session in self._sessions.items()
        ]

    def known(self) -> Sequence[InjectedTool]:
        """Every tool that is known now, whoever it is offered to."""
        return self._injected(frozenset(self._sessions))

    def offer(self, actor: Actor, wanted: str) -> Toolbox:
        """A toolbox for one interception: the tools known now, of the servers that the actor may use.

        `wanted` has comma-separated patterns (`time_*`), matched against `<server>_<tool>`, the injected name and the
        raw one, case and all; "" wants everything, `off` nothing.
        """
        patterns = [pattern.strip() for pattern in wanted.split(",") if pattern.strip()]
        if patterns == ["off"]:
            return EmptyToolbox()
        tools = self._tools(actor)
        if patterns:
            tools = tuple(tool for tool in tools if _matches(tool, patterns))
        if not tools:
            return EmptyToolbox()
        return McpToolbox(tools, self._sessions, parallel=self._settings.parallel, now=self._now)

    def _kept(self, server: ServerSettings, settings: ToolSettings) -> ServerSession | None:
        """The session of a server that is to be what it was."""
        session = self._sessions.get(server.name)
        if session is None or session.settings != server:
            return None
        return session if settings.max_result_chars == self._settings.max_result_chars else None

    def _session(self, server: ServerSettings) -> ServerSession:
        # Imported where there is a server: without one, a process saves the 25 MB of the MCP SDK.
        from aibridge.tools.session import ServerSession

        return ServerSession(
            server,
            max_result_chars=self._settings.max_result_chars,
            timing=self._timing,
            on_change=partial(self._changed, server.name),
            new_transport=self._new_transport,
            trace=self._trace,
        )

    def _tools(self, actor: Actor) -> tuple[InjectedTool, ...]:
        """All tools for an actor by name, worked out once for as long as nothing changes."""
        servers = frozenset(name for name, session in self._sessions.items() if session.settings.serves(actor.name))
        if servers not in self._offers:
            self._offers[servers] = self._injected(servers)
        return self._offers[servers]

    def _injected(self, servers: frozenset[str]) -> tuple[InjectedTool, ...]:
        # Names are worked out over all servers, so that a tool is called the same whoever it is offered to.
        known = {name: [tool.name for tool in session.tools] for name, session in self._sessions.items()}
        names = injected_names(self._settings.prefix, self._sessions, known)
        tools = [
            InjectedTool(
                name=names[server, tool.name],
                raw_name=tool.name,
                server=server,
                server_url=self._sessions[server].settings.public_address,
                description=tool.description,
                schema=tool.schema,
            )
            for server in servers
            for tool in self._sessions[server].tools
            if self._pinning.permits(server, tool.name)
        ]
        return tuple(sorted(tools, key=lambda tool: tool.name))

    def _changed(self, server: str) -> None:
        self._pinning.see(server, self._sessions[server].tools)
        self._forget_offers()

    def _forget_offers(self) -> None:
        self._offers.clear()


def _matches(tool: InjectedTool, patterns: Iterable[str]) -> bool:
    names = (f"{tool.server}_{tool.raw_name}", tool.name, tool.raw_name)
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


class McpToolbox:
    """The tools offered to one interception. Implements ports.Toolbox."""

    def __init__(
        self, tools: Sequence[InjectedTool], sessions: Mapping[str, ServerSession], *, parallel: int, now: Now
    ) -> None:
        self.tools = tools
        self._sessions = sessions
        self._turns = asyncio.Semaphore(parallel)
        self._now = now

    async def call(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Runs all calls together, `parallel` at a time. Nothing of the request but the arguments goes to a server."""
        called_at = self._now()
        if len(calls) == 1:  # as nearly always, and a task costs something
            return [await self._run(calls[0], called_at)]
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._run(call, called_at)) for call in calls]
        return [task.result() for task in running]

    async def _run(self, call: ToolCall, called_at: datetime) -> ToolResult:
        async with self._turns:
            result = await self._result(call)
        return replace(result, called_at=called_at, completed_at=self._now())

    async def _result(self, call: ToolCall) -> ToolResult:
        tool = call.tool
        if tool is None or tool not in self.tools:
            return ToolResult.failure(f"there is no tool {call.name!r}")
        if call.input is None:
            return ToolResult.failure(f"the arguments of {call.name} are not a JSON object")
        return await self._sessions[tool.server].call(tool.raw_name, call.input)
