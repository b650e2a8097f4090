"""Tools whose definitions are no longer those that are good."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from aibridge.store.tables import tool_pins


async def changed(connection: AsyncConnection) -> set[tuple[str, str]]:
    """Server and tool of each that waits for an approval."""
    query = select(tool_pins.c.server, tool_pins.c.tool).where(tool_pins.c.changed_hash.is_not(None))
    return {(server, tool) for server, tool in await connection.execute(query)}
