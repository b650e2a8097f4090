"""The tools that a server lists, as far as they may be offered."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import msgspec
from mcp import Client, MCPError
from mcp_types import METHOD_NOT_FOUND, Tool

from aibridge.tools.schema import encoded
from aibridge.tools.settings import ServerSettings
from aibridge.tools.words import one_line

logger = logging.getLogger(__name__)

ANNOTATIONS = "aibridge/annotations"
"""Where a mended tool keeps its annotations: the SDK would refuse a whole list over one that it doesn't know."""

MAX_PAGES = 100
MAX_TOOLS = 1000
"""Beyond these a server is taken to be listing for ever."""


@dataclass(frozen=True, slots=True)
class ListedTool:
    """A tool as its server describes it, its schema mended and encoded."""

    name: str
    description: str
    schema: bytes
    annotations: bytes = b"null"  # hints for people, in JSON; no model sees them


async def listed_tools(client: Client, settings: ServerSettings) -> tuple[ListedTool, ...]:
    """All tools of a server that its settings permit, in order of their names. Raises what the client raises."""
    tools: dict[str, ListedTool] = {}
    for tool in await _pages(client, settings):
        if settings.permits(tool.name):
            tools.setdefault(tool.name, _listed(tool))
    return tuple(tools[name] for name in sorted(tools))


def _listed(tool: Tool) -> ListedTool:
    annotations = msgspec.json.encode((tool.meta or {}).get(ANNOTATIONS))
    return ListedTool(tool.name, tool.description or "", encoded(tool.input_schema), annotations)


async def _pages(client: Client, settings: ServerSettings) -> list[Tool]:
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        try:
            page = await client.list_tools(cursor=cursor)
        except MCPError as error:
            if error.code == METHOD_NOT_FOUND:
                return tools  # a server without tools is no broken one
            raise
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None or len(tools) > MAX_TOOLS:
            break
    if cursor is not None or len(tools) > MAX_TOOLS:
        logger.warning("MCP server %s lists too many tools: the first %d are used", one_line(settings.name), MAX_TOOLS)
    return tools[:MAX_TOOLS]
