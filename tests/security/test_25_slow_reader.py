"""Threat 25: a client that asks for very much and does not read it."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import psutil
from starlette.types import Receive, Scope, Send

from aibridge.testing.serve import serving_in_thread
from tests.served import Gateway, serving
from tests.waiting import until

PIECE = b'data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % (
    b"x" * 10_000
)

BUFFERS = 30_000_000
"""More than the kernel keeps on both ways, on this side of the gateway and on that."""


async def departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Flood:
    """A provider that writes as fast as it is read, and would never end."""

    def __init__(self) -> None:
        self.sent = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        gone = asyncio.create_task(departure(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
            self.sent += len(PIECE)
            await asyncio.sleep(0)


def test_25_the_provider_is_paused_memory_is_capped_and_the_client_is_cut(tmp_path: Path) -> None:
    flood = Flood()
    with serving_in_thread(flood) as provider:
        providers = {"openai": {"base_url": f"{provider}/v1", "api_keys": ["sk-x"]}}
        settings = {"providers": providers, "server": {"slow_reader_seconds": 1}}
        with serving(tmp_path, settings) as gateway:
            memory = psutil.Process(gateway.pid).memory_info
            before = memory().rss
            with asking(gateway):
                until(gateway.open_interceptions)
                [row] = gateway.interceptions(1, seconds=15)
            assert row["status"] == "cancelled"
            assert row["error_message"] == "the client did not read on for 1 s (server.slow_reader_seconds)"
            assert 0 < flood.sent < BUFFERS
            assert memory().rss - before < 20_000_000  # the list of prices, which a first record loads, is a part of it


def asking(gateway: Gateway) -> socket.socket:
    """A connection on which a stream is asked for, and never read."""
    host, port = gateway.url.removeprefix("http://").split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((host, int(port)))
    body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "All of it."}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall((head + body).encode())
    return connection
