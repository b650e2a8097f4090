"""Threat 4: requests whose end is told in two ways, or wrongly, so that a proxy before us could see another one."""

from __future__ import annotations

import pytest

from tests.gateway.wired import POST, Echo, wired

CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"

AMBIGUOUS = {
    "length, then chunked": POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then length": POST + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "one length twice": POST + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    "a list of lengths": POST + b"content-length: 5, 5\r\n\r\nhello",
    "a signed length": POST + b"content-length: +5\r\n\r\nhello",
    "a hexadecimal length": POST + b"content-length: 0x5\r\n\r\nhello",
    "an empty length": POST + b"content-length:\r\n\r\nhello",
    "a length beyond all bounds": POST + b"content-length: 99999999999999999999999\r\n\r\nhello",
    "chunked twice": POST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, but not at last": POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "no encoding that we know": POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a control character before chunked": POST + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a blank after the name": POST + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    "a folded line": POST + b"a: b\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bare CR": POST + b"a: b\rtransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LFs": b"POST / HTTP/1.1\nhost: x\n\n",
    "a size that is no number": CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n",
    "a negative size": CHUNKED + b"-1\r\nhello\r\n0\r\n\r\n",
    "a size with 0x": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size beyond all bounds": CHUNKED + b"fffffffffffffffff\r\nhello",
    "no size": CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    "a chunk that is longer than it says": CHUNKED + b"5\r\nhelloX0\r\n\r\n",
    "a chunk that ends in a bare LF": CHUNKED + b"5\nhello\n0\n\n",
    "a length among the trailers": CHUNKED + b"0\r\ncontent-length: 5\r\n\r\n",
}

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize("request_", AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_04_an_ambiguous_request_is_400_and_what_follows_is_never_read(request_: bytes) -> None:
    app = Echo()
    async with wired(app) as world:
        wire = await world.open(request_ + SMUGGLED)
        await wire.send(SMUGGLED)
        answer = await wire.rest()
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"connection: close\r\n" in answer
        assert answer.count(b"HTTP/1.1") == 1
        assert [scope["path"] for scope in app.scopes] in ([], ["/"])  # the latter got no whole body:
        await world.until(lambda: app.departures == len(app.scopes))


async def test_04_what_follows_an_upgrade_is_never_taken_for_a_request() -> None:
    app = Echo()
    async with wired(app) as world:
        length = b"content-length: %d\r\n" % len(SMUGGLED)
        wire = await world.open(POST + b"connection: upgrade\r\nupgrade: h2c\r\n" + length + b"\r\n")
        await wire.send(SMUGGLED)
        assert (await wire.rest()).count(b"HTTP/1.1") == 1
        assert [scope["path"] for scope in app.scopes] == ["/"]


async def test_04_a_trailer_is_no_header() -> None:
    app = Echo()
    async with wired(app) as world:
        wire = await world.open(CHUNKED + b"0\r\nx-user: root\r\nauthorization: Bearer x\r\n\r\n")
        assert (await wire.answer()).startswith(b"HTTP/1.1 200 ")
        assert app.scopes[0]["headers"] == [(b"host", b"x"), (b"transfer-encoding", b"chunked")]
