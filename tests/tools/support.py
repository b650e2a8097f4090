"""What the tests of this room share: settings, calls, waiting, and a clock that stands still."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aibridge.model import Actor, InjectedTool, ToolCall, ToolResult
from aibridge.ports import Toolbox
from aibridge.tools.session import ServerSession
from aibridge.tools.settings import ServerSettings
from aibridge.tools.timing import Timing
from aibridge.upstream.connections import Connections
from aibridge.upstream.transport import AiohttpTransport
from aibridge.upstream.trust import system_authorities

ME = Actor("me")
STDIO_SERVER = Path(__file__).with_name("stdio_server.py")


def http(url: str, name: str = "web", **more: Any) -> ServerSettings:
    return ServerSettings(name, "streamable-http", url=url, **more)


def stdio(*args: str, name: str = "own", **more: Any) -> ServerSettings:
    """Our own small server, which does what its arguments say."""
    return ServerSettings(name, "stdio", command=sys.executable, args=(str(STDIO_SERVER), *args), **more)


def call_of(tool: InjectedTool | None, arguments: Mapping[str, Any] | None = None, *, name: str = "a_tool") -> ToolCall:
    return ToolCall("call_1", tool.name if tool else name, "{}", {} if arguments is None else arguments, tool, "resp_1")


async def run(box: Toolbox, raw_name: str, arguments: Mapping[str, Any] | None = None) -> ToolResult:
    """Calls one tool of a toolbox by the name that its server gives it."""
    tool = next(tool for tool in box.tools if tool.raw_name == raw_name)
    (result,) = await box.call([call_of(tool, arguments)])
    return result


class StoppedClock:
    """Stands in for sleep: pauses last until the test ends them."""

    def __init__(self) -> None:
        self._pauses: asyncio.Queue[tuple[float, asyncio.Event]] = asyncio.Queue()

    async def sleep(self, seconds: float) -> None:
        over = asyncio.Event()
        self._pauses.put_nowait((seconds, over))
        await over.wait()

    async def next_pause(self) -> tuple[float, Callable[[], None]]:
        """The next pause that somebody makes: how long it is to be, and what ends it."""
        async with asyncio.timeout(10):
            seconds, over = await self._pauses.get()
        return seconds, over.set


def steady(pauses: StoppedClock, **more: Any) -> Timing:
    """Timing without chance, in which pauses end when the test says so."""
    return Timing(sleep=pauses.sleep, random=lambda: 0.0, **more)


def new_transport() -> AiohttpTransport:
    """What HTTP goes over in the gateway."""
    return AiohttpTransport(Connections(system_authorities()))


@asynccontextmanager
async def session(settings: ServerSettings, **more: Any) -> AsyncIterator[ServerSession]:
    """A session that has connected or failed, over the gateway's own connections unless told otherwise."""
    session = ServerSession(settings, **{"new_transport": new_transport, **more})
    session.start()
    try:
        async with asyncio.timeout(30):
            await session.settled()
        yield session
    finally:
        await session.aclose()
