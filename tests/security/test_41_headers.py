"""Threat 41: headers without end. The parser has no limit of its own."""

from __future__ import annotations

import pytest

from tests.gateway.wired import Echo, wired

HUGE = {
    "a header of 20 MB": b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"x" * 20_000_000 + b"\r\n\r\n",
    "10,000 headers": b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(10_000)) + b"\r\n",
    "10,000 headers of nearly nothing": b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 10_000 + b"\r\n",
    "a name of 20 MB": b"GET / HTTP/1.1\r\n" + b"x" * 20_000_000 + b": a\r\n\r\n",
    "20,000 trailers": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"abc: def\r\n" * 20_000,
}


@pytest.mark.parametrize("request_", HUGE.values(), ids=HUGE)
async def test_41_headers_without_end_are_431_and_serve_nobody(request_: bytes) -> None:
    app = Echo()
    async with wired(app) as world:
        wire = await world.open()
        await wire.send(request_)
        answer = await wire.rest()
        assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        assert b"connection: close\r\n" in answer
        await world.until(lambda: app.departures == len(app.scopes))
        assert (await (await world.open(b"GET / HTTP/1.1\r\n\r\n")).answer()).startswith(b"HTTP/1.1 200 ")


async def test_41_a_url_of_20_mb_is_414() -> None:
    app = Echo()
    async with wired(app) as world:
        wire = await world.open()
        await wire.send(b"GET /" + b"x" * 20_000_000 + b" HTTP/1.1\r\n\r\n")
        assert (await wire.rest()).startswith(b"HTTP/1.1 414 ")
        assert app.scopes == []
