"""httpx2 spoken over connections of ours: its own transport's parser is written in Python, and costs twice as much."""

from __future__ import annotations

import httpx2
from yarl import URL

from aibridge.upstream.connections import Connections, Request, decoded_headers
from aibridge.upstream.exceptions import translate


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """A pool of connections for an httpx2 client, which closes it.

    Of a request's extensions it knows `target` (the request target, sent as it is) and `timeout`: `connect`, which
    includes the wait for a place in the pool, and `read`, the silence allowed *between* two pieces of a body. How long
    the first piece may take is for the caller to say, who can tell a model that thinks from a connection that is dead.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request and returns once the response's head is there. Raises httpx2.TransportError."""
        timeout = request.extensions.get("timeout", {})
        try:
            headers = decoded_headers(request.headers.raw)
        except UnicodeDecodeError as error:
            raise translate(error) from None
        answer = await self._connections.send(
            Request(request.method, _url(request), headers),
            await request.aread(),
            connect=timeout.get("connect"),
            silence=timeout.get("read"),
            told=translate,
        )
        return httpx2.Response(answer.status, headers=answer.headers, stream=answer)

    async def aclose(self) -> None:
        """Closes all connections, those in use too."""
        await self._connections.aclose()


def _url(request: httpx2.Request) -> URL:
    url = request.url
    target: bytes = request.extensions.get("target", url.raw_path)
    return URL(f"{url.scheme}://{url.netloc.decode()}{target.decode('ascii')}", encoded=True)
