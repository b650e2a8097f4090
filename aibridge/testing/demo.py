"""A real MCP server to show things with: `python -m aibridge.testing.demo` speaks over standard input and output."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("clock", instructions="Tells the time.")


@server.tool(structured_output=False)
def now(tz: str = "UTC") -> str:
    """The time now in a time zone, named as in `Europe/Vienna`."""
    return f"{datetime.now(_zone(tz)):%H:%M:%S} {tz}"


def _zone(name: str) -> tzinfo:
    if name == "UTC":  # there even where no time zones are installed
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ToolError(f"there is no time zone {name!r}; name it as in Europe/Vienna") from None


if __name__ == "__main__":
    server.run("stdio")
