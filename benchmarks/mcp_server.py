"""An MCP server with thirteen tools, as many as a typical one has. It says at /spent how long its calls have taken."""

from __future__ import annotations

import time
from typing import Literal

import uvloop
from mcp.server.mcpserver import MCPServer
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from benchmarks import child

server = MCPServer("bench", log_level="WARNING")


@server.tool()
def echo(text: str) -> str:
    """Says what it is told."""
    return text


@server.tool()
def search_issues(query: str, state: Literal["open", "closed", "all"] = "open", limit: int = 30) -> list[str]:
    """Searches the issues of the current project by their title, body and comments, newest first."""
    return []


@server.tool()
def read_issue(number: int, comments: bool = True) -> str:
    """Reads one issue of the current project, with its labels, its assignees and, if wanted, all its comments."""
    return ""


@server.tool()
def create_issue(title: str, body: str, labels: list[str] | None = None, assignee: str | None = None) -> str:
    """Opens a new issue in the current project and returns its number. Look for duplicates before you use it."""
    return ""


@server.tool()
def comment_on_issue(number: int, body: str) -> str:
    """Adds a comment, written in Markdown, to an issue or a pull request of the current project."""
    return ""


@server.tool()
def list_files(directory: str = ".", pattern: str = "*", recursive: bool = False) -> list[str]:
    """Lists the files below a directory whose names match a pattern; hidden files are left out."""
    return []


@server.tool()
def read_file(path: str, first_line: int = 1, last_line: int | None = None) -> str:
    """Reads a text file, or some of its lines, and returns them with their numbers."""
    return ""


@server.tool()
def search_code(expression: str, directory: str = ".", file_type: str | None = None, context: int = 2) -> list[str]:
    """Searches the files below a directory for a regular expression and returns the lines around each match."""
    return []


@server.tool()
def read_wiki_page(title: str, revision: int | None = None) -> str:
    """Reads a page of the wiki in Markdown, as it is now or as it was at a revision."""
    return ""


@server.tool()
def search_wiki(query: str, space: str | None = None, limit: int = 10) -> list[str]:
    """Searches the wiki for pages about a subject; the result names each page's title, space and last change."""
    return []


@server.tool()
def query_metrics(expression: str, since: str, until: str = "now", step_seconds: int = 60) -> list[float]:
    """Evaluates an expression over the time series of the monitoring system and returns a value for each step."""
    return []


@server.tool()
def list_deployments(service: str, environment: Literal["staging", "production"] = "production") -> list[str]:
    """Lists the latest deployments of a service with their versions, times, authors and outcomes."""
    return []


@server.tool()
def convert_time(time: str, source: str, target: str) -> str:
    """Converts a time of day from one IANA time zone to another."""
    return ""


class Timed:
    """The server, with an account of the seconds between a request's arrival and the end of its answer."""

    def __init__(self) -> None:
        self._app = server.streamable_http_app(json_response=True, stateless_http=True)
        self._spent = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/spent":
            await PlainTextResponse(f"{self._spent:.9f}")(scope, receive, send)
            return
        started = time.perf_counter()
        await self._app(scope, receive, send)
        self._spent += time.perf_counter() - started


async def main() -> None:
    timed = Timed()
    async with server.session_manager.run():
        await child.serve(timed)


if __name__ == "__main__":
    uvloop.run(main())
