"""A real MCP server: `python -m tests.chaos.mcp_server` serves HTTP and says on which port; or with `stdio`."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from mcp.server import MCPServer

from benchmarks import child

PAGE = "All work and no play makes a dull page. " * 400
"""16,000 characters, so that whatever keeps results is soon as full as it gets."""

server = MCPServer("pages", log_level="WARNING")


@server.tool(structured_output=False)
def read(page: int) -> str:
    """Reads a page."""
    return f"{page}: {PAGE}"


@server.tool(structured_output=False)
async def ponder(seconds: float) -> str:
    """Takes its time."""
    await asyncio.sleep(seconds)
    return "done"


async def main() -> None:
    app = server.streamable_http_app(json_response=True, stateless_http=True)
    async with server.session_manager.run():
        await child.serve(app)


if __name__ == "__main__":
    if sys.argv[1:] == ["stdio"]:
        server.run("stdio")
    else:
        uvloop.run(main())
