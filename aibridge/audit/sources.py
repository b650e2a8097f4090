"""What the pages show beside the records: how things are just now, which other rooms know. `app` fills it in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool that is injected now."""

    server: str  # the name in the configuration
    tool: str  # the raw name
    server_url: str  # as in the records
    schema_bytes: int  # of its name, description and arguments together, as a request carries them

    @property
    def tokens(self) -> int:
        """About how many tokens it adds to each request."""
        return -(-self.schema_bytes // 4)


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """How an MCP server is."""

    server: str
    state: str  # connecting, connected or failed
    reason: str | None
    tools: int


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """A configured provider; `breakers`: what each circuit protects that is not closed, with its state."""

    name: str
    type: str
    base_url: str
    breakers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """How the gateway's neighbours are."""

    providers: Sequence[ProviderHealth] = ()
    servers: Sequence[ServerHealth] = ()
    recorder: str = "ok"


@dataclass(frozen=True, slots=True)
class Sources:
    """Asked whenever a page needs to know. The defaults know of nothing."""

    tools: Callable[[], Sequence[OfferedTool]] = field(default=tuple)
    health: Callable[[], Health] = field(default=Health)
