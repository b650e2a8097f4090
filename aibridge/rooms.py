"""The rooms that follow the settings: built anew for each reading of them, from what has not changed where they can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from starlette.types import ASGIApp

from aibridge.config import ConfigError, Settings
from aibridge.gateway.crowd import Crowd
from aibridge.gateway.generations import Generation, Generations
from aibridge.gateway.routes import Gateway
from aibridge.gateway.services import Services
from aibridge.telemetry import logs
from aibridge.tools.pinning import Pins
from aibridge.tools.toolbox import ToolServers
from aibridge.upstream import UpstreamClient
from aibridge.upstream.breakers import Watch
from aibridge.wiring import accounts, limits, providers, tool_servers

SETTLING_SECONDS: Final = 10
"""How long MCP servers are waited for that have neither connected nor failed."""


Furnish = Callable[[UpstreamClient, ToolServers, Settings], Services]
"""What a gateway is given, with these upstreams and tools."""


class Rooms:
    """The newest upstreams and MCP servers, and the gateways that stand on them: `served` is all of those."""

    def __init__(
        self, settings: Settings, services: Furnish, pages: Mapping[str, ASGIApp], pins: Pins, *, watch: Watch
    ) -> None:
        """`pages`: our own, by path. Raises ConfigError for what only the rooms themselves can see."""
        self._services = services
        self._pages = pages
        self._pins = pins
        self._watch = watch
        self._crowd = Crowd(settings.server.max_concurrent_requests, settings.server.max_concurrent_per_actor)
        self.upstreams, self.tools = self._built(settings)
        self.served = Generations(self._generation(settings, self.upstreams, self.tools))

    async def start(self) -> None:
        """Begins to connect to the MCP servers, and returns."""
        await self.tools.start()

    async def renew(self, settings: Settings) -> None:
        """Takes over other settings: what has begun ends as it is, what is new begins with them.

        New MCP servers are waited for, so that no request misses their tools. Raises ConfigError, nothing changed.
        """
        upstreams, tools = self._built(settings, self.upstreams, self.tools)
        try:
            await tools.start()
            await tools.settled(SETTLING_SECONDS)
        except BaseException:
            await asyncio.shield(asyncio.gather(*(part.aclose() for part in tools.new_parts)))
            raise
        self.served.replace(self._generation(settings, upstreams, tools))
        self.upstreams, self.tools = upstreams, tools
        upstreams.take_over()
        tools.take_over()
        logs.set_level(settings.telemetry.log_level)

    async def aclose(self) -> None:
        """Closes all of them."""
        await self.served.aclose()

    def _built(
        self, settings: Settings, upstreams: UpstreamClient | None = None, tools: ToolServers | None = None
    ) -> tuple[UpstreamClient, ToolServers]:
        try:
            client = UpstreamClient(accounts(settings), watch=self._watch, before=upstreams)
            return client, tool_servers(settings, self._pins, before=tools)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def _generation(self, settings: Settings, upstreams: UpstreamClient, tools: ToolServers) -> Generation:
        services = self._services(upstreams, tools, settings)
        gateway = Gateway(services, limits(settings), providers(settings), self._pages, self._crowd)
        return Generation(gateway, [*upstreams.parts, *tools.parts])
