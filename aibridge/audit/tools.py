"""Tools: what each costs in every request, beside how often a model calls it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from aibridge.audit.queries import usage
from aibridge.audit.queries.filters import Filters
from aibridge.audit.queries.paging import Row
from aibridge.audit.sources import OfferedTool


async def tool_report(connection: AsyncConnection, filters: Filters, offered: Sequence[OfferedTool]) -> list[Row]:
    """The tools that are offered now, called or not, and those that were called. Most calls first, the dead ones last.

    `schema_tokens`: about what the tool adds to each request; None for those that are not injected now.
    """
    called = {(row["tool"], row["server_url"]): row for row in await usage.by_tool(connection, filters)}
    rows = []
    for tool in offered:
        row = called.pop((tool.tool, tool.server_url), None) or _never_called(tool)
        rows.append(row | {"server": tool.server, "schema_tokens": tool.tokens, "state": tool.state})
    rest = [row | {"server": None, "schema_tokens": None, "state": _gone(row)} for row in called.values()]
    return sorted([*rows, *rest], key=lambda row: (-row["calls"], row["tool"]))


def _never_called(tool: OfferedTool) -> Row:
    never = {"injected": True, "calls": 0, "failed": 0, "seconds": None, "last_at": None}
    return {"tool": tool.tool, "server_url": tool.server_url, **never}


def _gone(row: Row) -> str:
    return "gone" if row["injected"] else "client"
