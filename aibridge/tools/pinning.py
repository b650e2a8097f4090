"""Tools as they were first seen: one that has changed since is told of, or withheld until somebody approves it.

A description goes to the model as an instruction, so a server that changes one afterwards could take the model over.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from aibridge.model import JSON
from aibridge.tools.timing import pause
from aibridge.tools.words import one_line

if TYPE_CHECKING:
    from aibridge.tools.listing import ListedTool

logger = logging.getLogger(__name__)

Mode = Literal["off", "warn", "enforce"]

POLL_SECONDS = 2.0
"""How often an approval is looked for, and a database that could not be asked is asked again."""

SYNC_SECONDS = 5.0
"""How long the database may take."""


MAX_TOLD = 1000
"""How many changes are logged, lest a server that changes all the time fill the log."""


class Pins(Protocol):
    """Where the definitions that are good are kept. Raises whatever a database raises."""

    async def sync(self, server: str, offered: Mapping[str, bytes]) -> Mapping[str, str]:
        """Takes the tools that a server offers now, as definitions in JSON by name, and pins those it never saw.

        Returns the fingerprints that are good, by the tools' names.
        """
        ...


class MemoryPins:
    """Pins that are forgotten with the process."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    async def sync(self, server: str, offered: Mapping[str, bytes]) -> Mapping[str, str]:
        return {
            name: self._known.setdefault((server, name), fingerprint(definition))
            for name, definition in offered.items()
        }


def definition_of(tool: ListedTool) -> bytes:
    """All that a model or a person is told of a tool, as canonical JSON: equal where only the order differs."""
    content: dict[str, JSON] = {
        "name": tool.name,
        "description": tool.description,
        "inputSchema": msgspec.json.decode(tool.schema),
        "annotations": msgspec.json.decode(tool.annotations),
    }
    return msgspec.json.encode(content, order="deterministic")


def fingerprint(definition: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(definition).hexdigest()


class Pinning:
    """Says of each tool whether it may be offered. `on_change`: what it said of a server's tools is different now."""

    def __init__(
        self,
        pins: Pins,
        mode: Mode,
        *,
        on_change: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pins = pins
        self._mode = mode
        self._on_change = on_change
        self._sleep = sleep
        self._offered: dict[str, dict[str, bytes]] = {}  # definitions by server and tool
        self._good: dict[tuple[str, str], str] = {}  # fingerprints by server and tool
        self._prints: dict[str, dict[str, str]] = {}  # fingerprints of what is offered
        self._told: set[tuple[str, str, str]] = set()  # changes that are in the log
        self._due: set[str] = set()  # servers whose tools the pins haven't been asked about
        self._news = asyncio.Event()
        self._asked = asyncio.Event()  # all of them have been asked about, once at least
        self._asked.set()
        self._failing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to ask about what is seen."""
        if self._mode != "off":
            self._task = asyncio.create_task(self._run(), name="mcp-pinning")

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def settled(self) -> None:
        """Waits until all that was seen has been asked about."""
        await self._asked.wait()

    def see(self, server: str, tools: Sequence[ListedTool]) -> None:
        """Takes the tools that a server lists now."""
        if self._mode == "off":
            return
        self._offered[server] = {tool.name: definition_of(tool) for tool in tools}
        self._prints[server] = {name: fingerprint(one) for name, one in self._offered[server].items()}
        self._judge(server)
        self._due.add(server)
        self._asked.clear()
        self._news.set()

    def permits(self, server: str, tool: str) -> bool:
        """Whether the tool may be offered as it is now."""
        if self._mode != "enforce":
            return True
        return (server, tool) in self._good and not self._changed(server, tool)

    def _changed(self, server: str, tool: str) -> bool:
        good = self._good.get((server, tool))
        return good is not None and good != self._prints[server].get(tool)

    async def _run(self) -> None:
        while True:
            if not self._due:
                self._asked.set()
                await self._news.wait()
            self._news.clear()
            for server in sorted(self._due):
                await self._ask(server)
            if self._due:  # there is trouble, or a tool waits for its approval
                self._asked.set()
                await pause(POLL_SECONDS, self._sleep, unless=self._news)

    async def _ask(self, server: str) -> None:
        offered = self._offered[server]
        try:
            async with asyncio.timeout(SYNC_SECONDS):
                good = await self._pins.sync(server, offered)
        except Exception as error:  # noqa: BLE001  any trouble of any database: what is in memory still counts
            self._tell_failure(error)
            return
        self._failing = False
        before = [self.permits(server, name) for name in offered]
        kept = {place: print_ for place, print_ in self._good.items() if place[0] != server}
        self._good = kept | {(server, name): good[name] for name in good}
        self._judge(server)
        if offered is self._offered[server] and all(self.permits(server, name) for name in offered):
            self._due.discard(server)
        if before != [self.permits(server, name) for name in offered]:
            self._on_change()

    def _judge(self, server: str) -> None:
        """Logs each change once."""
        for name, printed in self._prints[server].items():
            seen = (server, name, printed)
            if not self._changed(server, name) or seen in self._told or len(self._told) >= MAX_TOLD:
                continue
            self._told.add(seen)
            tool, so = one_line(name), "withheld until it is approved" if self._mode == "enforce" else "offered still"
            logger.warning(
                "MCP server %s has changed its tool %s, which is %s: see `aibridge tools list`, then `aibridge tools "
                "approve`", server, tool, so,
            )  # fmt: skip

    def _tell_failure(self, error: Exception) -> None:
        if not self._failing:
            so = "those not seen before are withheld" if self._mode == "enforce" else "they are offered all the same"
            logger.warning("tools can't be compared with those seen before, so %s (%s)", so, type(error).__name__)
        self._failing = True
