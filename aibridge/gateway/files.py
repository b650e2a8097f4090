"""Open files: each connection is one, and a process may have only so many."""

from __future__ import annotations

import logging
import resource

logger = logging.getLogger(__name__)

_OWN = 256
"""Files of our own: databases, logs, MCP servers, what the libraries open."""


def connections_for(wanted: int, requests: int) -> int:
    """How many clients may connect, beside so many requests to providers: as many as wanted, if the system allows.

    Raises this process's soft limit of open files, so far as that needs it and the hard limit permits.
    """
    needed = wanted + requests + _OWN
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    allowed = max(soft - requests - _OWN, soft // 2)
    logger.warning(
        "the system allows %d open files, too few for %d connections (server.max_connections): %d are allowed",
        soft,
        wanted,
        allowed,
    )
    return allowed
