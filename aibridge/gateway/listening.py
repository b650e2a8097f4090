"""The socket that the gateway listens on."""

from __future__ import annotations

import socket
from typing import Final

UNSENT_BYTES: Final = 128 * 1024
"""What the kernel takes of a response beyond what is on its way; its own limit is 4 MB. Each byte that it takes for a
client that does not read is read from the provider, and its words are held: so the provider is slowed down sooner."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError, such as for a port that is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio asks, to send at once
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # each connection inherits it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(2048)
    return listener


def url_of(listener: socket.socket) -> str:
    """Where it listens."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
