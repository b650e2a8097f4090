"""The bare relay: the gateway's server, HTTP client and transport with nothing in between. What all ratios refer to."""

from __future__ import annotations

import sys
from functools import lru_cache

import httpx2
import uvloop
from starlette.types import Receive, Scope, Send

from aibridge.upstream.connections import Connections
from aibridge.upstream.transport import AiohttpTransport
from aibridge.upstream.trust import system_authorities
from benchmarks import child
from benchmarks.bytes_through import read, request_headers, response_headers


class Relay:
    """An application that sends each request on and hands back what comes, as it comes."""

    def __init__(self, upstream_port: int, client: httpx2.AsyncClient) -> None:
        self._url = lru_cache(httpx2.URL(f"http://127.0.0.1:{upstream_port}").join)
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read(receive)
        request = httpx2.Request("POST", self._url(scope["path"]), headers=request_headers(scope), content=body)
        response = await self._client.send(request, stream=True)
        headers = response_headers(response.headers.raw)
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        async for data in response.aiter_raw():
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await response.aclose()
        await send({"type": "http.response.body", "body": b""})


async def main() -> None:
    transport = AiohttpTransport(Connections(system_authorities()))
    async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
        await child.serve(Relay(int(sys.argv[1]), client))


if __name__ == "__main__":
    uvloop.run(main())
