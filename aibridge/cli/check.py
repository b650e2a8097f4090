"""`aibridge check`: are the settings good, do the MCP servers answer, can records be kept?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aibridge.cli.common import Commands, add_command, complain, configured, console, printable, quiet

if TYPE_CHECKING:
    from aibridge.config import Settings
    from aibridge.model import InjectedTool
    from aibridge.tools.toolbox import ToolServers

CONNECT_SECONDS = 60
"""How long the slowest MCP server may take; a command may have to install itself first."""

DESCRIPTION = """\
Validates the settings, connects to every MCP server, lists its tools with the names that models
are offered, and opens the database as `serve` would. Each fault is a line on standard error.
"""

EXAMPLES = """\
  aibridge check
  aibridge check --config aibridge.yaml && aibridge serve --config aibridge.yaml
"""


def add(commands: Commands) -> None:
    add_command(
        commands, "check", run, summary="try the settings, MCP servers and database", description=DESCRIPTION,
        examples=EXAMPLES,
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    import asyncio

    quiet()
    settings = configured(args)
    report = asyncio.run(inspect(settings))
    _show(report)
    return complain(*report.faults) if report.faults else 0


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and one line for each fault."""

    providers: Sequence[Sequence[str]]
    servers: Sequence[Sequence[str]]
    tools: Sequence[Sequence[str]]
    faults: Sequence[str]


async def inspect(settings: Settings) -> Report:
    """Tries all that `serve` would need."""
    servers, tools, tool_faults = await _mcp(settings)
    faults = [*_served(settings), *_provider_faults(settings), *tool_faults, *await _recorder_faults(settings)]
    return Report(_providers(settings), servers, tools, [printable(fault) for fault in faults])


def _served(settings: Settings) -> Iterator[str]:
    from aibridge.config import ConfigError

    try:
        settings.check_served()
    except ConfigError as error:
        yield from error.lines


def _providers(settings: Settings) -> list[list[str]]:
    from aibridge.providers import DEFAULT_BASE_URLS

    return [
        [f"/{name}", one.type, one.base_url or DEFAULT_BASE_URLS[one.type], str(len(one.api_keys)), one.byok]
        for name, one in settings.providers.items()
    ]


def _provider_faults(settings: Settings) -> Iterator[str]:
    if not settings.providers:
        yield "providers: there are none, so nothing can be served"
    for name, one in settings.providers.items():
        if one.byok == "never" and not one.api_keys:
            yield f"providers.{name}: api_keys is empty and byok is never, so every request is refused"
        if one.ca_file is not None and not one.ca_file.is_file():
            yield f"providers.{name}.ca_file: there is no file {one.ca_file}"


async def _mcp(settings: Settings) -> tuple[list[list[str]], list[list[str]], list[str]]:
    """The servers, their tools, and what is wrong with them."""
    from aibridge.wiring import tool_servers

    async with tool_servers(settings) as servers:
        await servers.settled(CONNECT_SECONDS)
        states = servers.states()
        tools = _offered(settings, servers)
    found = [[one.server, one.state, str(one.tools)] for one in states]
    found += [[name, "disabled", ""] for name, one in settings.mcp_servers.items() if one.disabled]
    faults = [
        f"mcp_servers.{one.server}: {one.reason or f'not connected after {CONNECT_SECONDS} s'}"
        for one in states
        if one.state != "connected"
    ]
    return found, [[tool.server, tool.raw_name, tool.name] for tool in tools], faults


def _offered(settings: Settings, servers: ToolServers) -> list[InjectedTool]:
    """The tools that anyone is offered: some servers are for some actors only."""
    from aibridge.model import Actor

    actors = {"anonymous"}.union(*(one.actors or () for one in settings.mcp_servers.values()))
    tools = {tool.name: tool for actor in actors for tool in servers.offer(Actor(actor), "").tools}
    return [tools[name] for name in sorted(tools)]


async def _recorder_faults(settings: Settings) -> list[str]:
    from aibridge.errors import AibridgeError
    from aibridge.recorder import open_recorder

    try:
        async with open_recorder(settings.recorder.url, spool_dir=settings.recorder.spool_dir):
            return []
    except AibridgeError as error:
        return [f"recorder.url: {error.message}"]


def _show(report: Report) -> None:
    from rich.box import ROUNDED
    from rich.table import Table
    from rich.text import Text

    out = console()
    tables = [
        ("Providers", ["route", "type", "upstream", "keys", "byok"], report.providers),
        ("MCP servers", ["server", "state", "tools"], report.servers),
        ("Injected tools", ["server", "tool", "called by the model"], report.tools),
    ]
    for title, columns, rows in tables:
        if rows:
            table = Table(*columns, box=ROUNDED)
            for row in rows:
                table.add_row(*(Text(printable(cell), overflow="fold") for cell in row))
            out.print(Text(title, "bold"))
            out.print(table)
    if not report.faults:
        out.print("All is well: aibridge serve is ready to begin.")
