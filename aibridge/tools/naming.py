"""The names under which models see injected tools.

A tool is called `<prefix>_<server>_<tool>`, in `[A-Za-z0-9_-]{1,64}`. Names must not depend on the order of things or
on which servers happen to be up, or a provider's prompt cache is lost and an old call is no longer recognised. So who
keeps a contested name is decided by the configured servers and the tools of one server alone; the others get a hash.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

MAX_LENGTH = 64
_HASH_LENGTH = 8
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_-]")

ToolKey = tuple[str, str]
"""A server's configured name and the raw name of one of its tools."""


def clean(text: str) -> str:
    """The text with every character that no provider accepts replaced by `_`."""
    return _FORBIDDEN.sub("_", text)


def injected_names(prefix: str, servers: Iterable[str], tools: Mapping[str, Iterable[str]]) -> dict[ToolKey, str]:
    """The injected name of every tool, all different.

    `servers` are all that are configured, up or not; `tools` has the raw names of those that are known.
    """
    owners = _owners(prefix, servers)
    keys = sorted({(server, tool) for server, names in tools.items() for tool in names})
    claims = Counter((server, clean(tool)) for server, tool in keys)
    names = {}
    for server, tool in keys:
        plain = _plain(prefix, server, tool)
        best_claim = claims[server, clean(tool)] == 1 or clean(tool) == tool
        if len(plain) <= MAX_LENGTH and best_claim and _owner(plain, owners) == server:
            names[server, tool] = plain
    taken = set(names.values())
    for key in keys:
        if key not in names:
            names[key] = _hashed(_plain(prefix, *key), key, taken)
            taken.add(names[key])
    return names


def _plain(prefix: str, server: str, tool: str) -> str:
    return clean(f"{prefix}_{server}_{tool}")


def _owners(prefix: str, servers: Iterable[str]) -> dict[str, str | None]:
    """Whose names begin with what; None where several servers clean to one beginning and none is spelt exactly so."""
    claimants: dict[str, list[str]] = {}
    for server in sorted(set(servers)):
        claimants.setdefault(_plain(prefix, server, ""), []).append(server)
    return {start: _first_claim(names) for start, names in claimants.items()}


def _first_claim(servers: list[str]) -> str | None:
    if len(servers) == 1:
        return servers[0]
    return next((server for server in servers if clean(server) == server), None)


def _owner(name: str, owners: Mapping[str, str | None]) -> str | None:
    """The server with the longest beginning of a name: `git_hub` before `git` for `bmcp_git_hub_star`."""
    starts = [start for start in owners if name.startswith(start)]
    return owners[max(starts, key=len)] if starts else None


def _hashed(plain: str, key: ToolKey, taken: set[str]) -> str:
    """The name cut to make room for a hash of what it stands for."""
    salt = 0
    while True:
        digest = hashlib.sha256("\0".join((*key, str(salt))).encode("utf-8", "surrogatepass")).hexdigest()
        name = f"{plain[: MAX_LENGTH - _HASH_LENGTH - 1]}_{digest[:_HASH_LENGTH]}"
        if name not in taken:
            return name
        salt += 1
