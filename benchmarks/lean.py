"""The same relay on aiohttp itself, without httpx2 before it: for information, how much that layer costs."""

from __future__ import annotations

import sys
from functools import lru_cache

import aiohttp
import uvloop
from starlette.types import Receive, Scope, Send
from yarl import URL

from benchmarks import child
from benchmarks.bytes_through import read, request_headers, response_headers


class Lean:
    """An application that sends each request on and hands back what comes, as it comes."""

    def __init__(self, upstream_port: int, session: aiohttp.ClientSession) -> None:
        self._url = lru_cache(URL(f"http://127.0.0.1:{upstream_port}").with_path)
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read(receive)
        headers = [(name.decode(), value.decode()) for name, value in request_headers(scope)]
        async with self._session.post(
            self._url(scope["path"]), data=body, headers=headers, allow_redirects=False
        ) as response:
            back = response_headers(response.raw_headers)
            await send({"type": "http.response.start", "status": response.status, "headers": back})
            async for data in response.content.iter_any():
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def main() -> None:
    connector = aiohttp.TCPConnector(limit=0)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False) as session:
        await child.serve(Lean(int(sys.argv[1]), session))


if __name__ == "__main__":
    uvloop.run(main())
