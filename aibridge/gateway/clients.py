"""Which program calls, and in which of its conversations: told by the headers that each is known to send."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from aibridge.gateway.headers import Values, first

UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class _Known:
    name: str
    agents: tuple[str, ...] = ()  # how its User-Agent begins, in lower case
    originator: str | None = None  # how its Originator header begins, in lower case
    header: bytes | None = None  # one that nobody else sends
    session: tuple[bytes, ...] = ()  # where its conversation's id is; the first one counts


_KNOWN = (
    _Known("Claude Code", ("claude",), session=(b"x-claude-code-session-id",)),
    _Known("Codex", ("codex",), session=(b"session-id", b"session_id")),
    _Known("Zed", ("zed/",)),
    _Known("GitHub Copilot (VS Code)", ("githubcopilotchat/",), session=(b"x-interaction-id",)),
    _Known("GitHub Copilot (CLI)", ("copilot/",), session=(b"x-client-session-id",)),
    _Known("Kilo Code", ("kilo-code/",), originator="kilo-code", session=(b"x-kilocode-taskid", b"x-session-id")),
    _Known("Roo Code", ("roo-code/",), originator="roo-code"),
    _Known("Coder Agents", ("coder-agents/",), session=(b"x-coder-chat-id",)),
    _Known("Charm Crush", ("charm crush/", "charm-crush/")),
    _Known("Cursor", header=b"x-cursor-client-version"),
    _Known("OpenCode", ("opencode/",), session=(b"x-opencode-session", b"x-session-affinity")),
    _Known("Mux", ("mux/", "xum/"), session=(b"x-mux-workspace-id",)),
    _Known("Junie", ("junie:",)),
    # With a provider of one's own it names only its SDK. Last, for others may send this beside a name of theirs.
    _Known("GitHub Copilot (CLI)", header=b"x-interaction-type"),
)


_STRANGER = _Known(UNKNOWN)

_OWN_HEADERS = tuple(known.header for known in _KNOWN if known.header)

_LONGEST = 32
"""So much of a header is looked at: all names above are shorter."""


def client_of(values: Values) -> tuple[str, str | None]:
    """The client's name, `Unknown` for strangers, and its session's id, if it sends one."""
    own = tuple([name for name in _OWN_HEADERS if name in values and first(values, name)])
    known = _known(_start(values, b"user-agent"), _start(values, b"originator"), own)
    sessions = [first(values, name) for name in known.session]
    return known.name, next(filter(None, sessions), None)


def _start(values: Values, name: bytes) -> str:
    return (first(values, name) or "")[:_LONGEST].lower()


@lru_cache(maxsize=1024)
def _known(agent: str, originator: str, own_headers: tuple[bytes, ...]) -> _Known:
    for known in _KNOWN:
        if known.agents and agent.startswith(known.agents):
            return known
        if known.originator and originator.startswith(known.originator):
            return known
        if known.header in own_headers:
            return known
    return _STRANGER
