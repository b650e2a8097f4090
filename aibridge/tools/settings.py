"""What this room must be told: the MCP servers, and how their tools are offered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

TransportName = Literal["streamable-http", "sse", "stdio"]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One MCP server: a URL, or a command that speaks over its standard input and output.

    Raises ValueError where an address is missing or a pattern is no regular expression.
    """

    name: str
    transport: TransportName
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: str | None = None
    args: Sequence[str] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # added to a minimal environment, not to ours
    allow: str | None = None  # regular expressions, searched for in a tool's raw name; `deny` wins
    deny: str | None = None
    timeout: float = 60.0  # seconds that one call may take
    actors: frozenset[str] | None = None  # who may use it; None: everyone

    def __post_init__(self) -> None:
        if self.transport == "stdio" and not self.command:
            raise ValueError(f"mcp_servers.{self.name}: a stdio server needs a `command`")
        if self.transport != "stdio" and not self.url:
            raise ValueError(f"mcp_servers.{self.name}: a {self.transport} server needs a `url`")
        for key, pattern in (("allow", self.allow), ("deny", self.deny)):
            try:
                re.compile(pattern or "")
            except re.error as error:
                message = f"mcp_servers.{self.name}.{key}: {pattern!r} is no regular expression ({error})"
                raise ValueError(message) from error

    def permits(self, tool: str) -> bool:
        """Whether a tool of this server may be offered at all."""
        if self.deny and re.search(self.deny, tool):
            return False
        return not self.allow or re.search(self.allow, tool) is not None

    def serves(self, actor: str) -> bool:
        """Whether this actor may use the server."""
        return self.actors is None or actor in self.actors

    @property
    def public_address(self) -> str:
        """The URL without its user, query and fragment, or the command alone: fit for records and pages."""
        if self.transport == "stdio":
            return self.command or ""
        parts = urlsplit(self.url or "")
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown, longest first."""
        return _long_ones({*self._credentials, *self.args})

    @property
    def credentials(self) -> tuple[str, ...]:
        """Those of them that let somebody in; arguments may well be paths, of which a model must be able to read."""
        return _long_ones(self._credentials)

    @property
    def _credentials(self) -> set[str]:
        parts = urlsplit(self.url or "")
        return {*self.headers.values(), *self.env.values(), parts.query, parts.netloc.rpartition("@")[0]}


def _long_ones(values: set[str]) -> tuple[str, ...]:
    return tuple(sorted((value for value in values if len(value) >= 6), key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """How tools are offered and their results cut, whichever server they come from."""

    prefix: str = "bmcp"
    parallel: int = 8  # calls of one interception that run at a time
    pinning: Literal["off", "warn", "enforce"] = "warn"  # what becomes of a tool that has changed
    max_result_chars: int = 200_000  # of a result's text, and again of its pictures' base64
