"""Tools: what each costs in every request, beside how often a model calls it."""

from __future__ import annotations

from collections.abc import Iterable, Set

from sqlalchemy.ext.asyncio import AsyncConnection

from aibridge.audit.queries import pins, usage
from aibridge.audit.queries.filters import Filters
from aibridge.audit.queries.paging import Row
from aibridge.audit.sources import OfferedTool, Sources

Places = Set[tuple[str, str]]
"""Servers' names, and tools."""


async def tool_report(connection: AsyncConnection, filters: Filters, sources: Sources) -> list[Row]:
    """The tools that are offered now, called or not, those withheld, and those that were called. Most calls first.

    `schema_tokens`: about what the tool adds to each request; None for those that are not injected now. `state`:
    `offered`; `changed`, where it is offered although its definition is not the one that is good; `withheld`, where
    that keeps it back; `gone`, where it was called and is offered no more; `client`, where the client runs it.
    """
    called = {(row["server"], row["tool"], row["server_url"]): row for row in await usage.by_tool(connection, filters)}
    changed = await pins.changed(connection)
    offered = sources.tools()
    rows = []
    for tool in offered:
        row = called.pop((tool.server, tool.tool, tool.server_url), None) or _never(tool.server, tool.tool)
        row["server_url"] = tool.server_url
        state = "changed" if (tool.server, tool.tool) in changed else "offered"
        rows.append(row | {"schema_tokens": tool.tokens, "state": state})
    withheld = _withheld(changed, offered, sources)
    rest = [*called.values(), *_uncalled(withheld, called.values())]
    rows += [row | {"schema_tokens": None, "state": _state(row, withheld)} for row in rest]
    return sorted(rows, key=lambda row: (-row["calls"], row["tool"], row["server"] or ""))


def _withheld(changed: Places, offered: Iterable[OfferedTool], sources: Sources) -> Places:
    """Those that have changed and are not offered, of the servers of today."""
    servers = {one.server for one in sources.health().servers}
    there = {(tool.server, tool.tool) for tool in offered}
    return {(server, tool) for server, tool in changed if server in servers} - there


def _uncalled(withheld: Places, called: Iterable[Row]) -> list[Row]:
    return [_never(*place) for place in sorted(withheld - {(row["server"], row["tool"]) for row in called})]


def _never(server: str | None, tool: str) -> Row:
    never = {"injected": True, "calls": 0, "failed": 0, "seconds": None, "last_at": None}
    return {"tool": tool, "server": server, "server_url": None, **never}


def _state(row: Row, withheld: Places) -> str:
    if not row["injected"]:
        return "client"
    return "withheld" if (row["server"], row["tool"]) in withheld else "gone"
