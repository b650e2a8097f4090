"""Threat 23: requests that never come to their end."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.served import Gateway, serving

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer sk-x\r\n"


def test_23_slow_headers_slow_bodies_and_silence_are_ended_by_their_deadlines(tmp_path: Path) -> None:
    server = {"header_seconds": 0.2, "body_seconds": 0.2, "idle_seconds": 0.2}
    with serving(tmp_path, {"server": server}) as gateway:
        headers, body, silence = (
            connected(gateway, sent) for sent in (HEAD + b"x-a", HEAD + b"content-length: 9\r\n\r\n{", b"")
        )
        with headers, body, silence:
            assert rest(headers).startswith(b"HTTP/1.1 408 ")
            assert rest(body).startswith(b"HTTP/1.1 408 ")
            assert rest(silence) == b""
        assert gateway.get("/healthz").status_code == 200


def connected(gateway: Gateway, sent: bytes) -> socket.socket:
    host, port = gateway.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(sent)
    return connection


def rest(connection: socket.socket) -> bytes:
    """What is said until the server closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))
