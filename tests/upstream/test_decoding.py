"""Compressed bodies, however they are cut, and those that lie."""

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from aibridge.upstream.decoding import decoded
from tests.upstream.provider import client, read, reply, replying, target

PLAIN = b'data: {"n": 1}\n\n' * 5000


def bare(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


FORMS = {
    "gzip": gzip.compress(PLAIN),
    "x-gzip": gzip.compress(PLAIN),
    "deflate": zlib.compress(PLAIN),
}


async def cut(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def decode(coding: str, data: bytes, size: int = 65536, limit: int = 2**26) -> bytes:
    return b"".join([piece async for piece in decoded(coding, cut(data, size), limit)])


@pytest.mark.parametrize("size", [1, 7, 65536])
@pytest.mark.parametrize("coding", FORMS)
async def test_a_body_is_the_same_however_it_is_cut(coding: str, size: int) -> None:
    assert await decode(coding, FORMS[coding], size) == PLAIN


@pytest.mark.parametrize("size", [1, 65536])
async def test_deflate_without_its_wrapper(size: int) -> None:
    assert await decode("deflate", bare(PLAIN), size) == PLAIN


@pytest.mark.parametrize("size", [1, 65536])
async def test_gzip_in_several_members(size: int) -> None:
    assert await decode("gzip", gzip.compress(b"one ") + gzip.compress(b"two"), size) == b"one two"


async def test_what_follows_a_deflated_body_is_none_of_it() -> None:
    assert await decode("deflate", zlib.compress(b"one") + b"rest", 3) == b"one"


@pytest.mark.parametrize("size", [256 * 1024 + more for more in (-1, 0, 1, 100, 200, 256 * 1024)])
async def test_sizes_around_that_of_a_piece(size: int) -> None:
    plain = b"x" * size
    assert await decode("gzip", gzip.compress(plain)) == plain
    assert await decode("deflate", zlib.compress(plain)) == plain
    assert await decode("deflate", bare(plain)) == plain


@pytest.mark.parametrize("coding", FORMS)
async def test_no_body_needs_no_decoding(coding: str) -> None:
    assert await decode(coding, b"") == b""


@pytest.mark.parametrize("size", [1, 65536])
@pytest.mark.parametrize("kept", [1, 2, 100])
async def test_a_body_that_was_cut_off(kept: int, size: int) -> None:
    with pytest.raises(httpx2.DecodingError, match="its gzip body was cut off"):
        await decode("gzip", FORMS["gzip"][:kept], size)


async def test_a_damaged_body() -> None:
    with pytest.raises(httpx2.DecodingError, match="its gzip body is damaged"):
        await decode("gzip", b"\x1f\x8b" + b"\xff" * 100)


async def test_a_bomb_is_given_up_before_it_fills_the_memory() -> None:
    bomb = zlib.compress(b"\0" * 200_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(httpx2.DecodingError, match="its deflate body exceeds 10000000 bytes when decoded"):
            await exhaust(decoded("deflate", cut(bomb, 65536), 10_000_000))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


async def exhaust(pieces: AsyncIterator[bytes]) -> None:
    async for _ in pieces:
        pass


@pytest.mark.parametrize("coding", [b"gzip", b" GZIP "])
async def test_an_answer_compressed_all_the_same_is_made_plain(coding: bytes) -> None:
    answer = reply(FORMS["gzip"], headers=b"content-encoding: " + coding + b"\r\ncontent-type: text/x\r\n")
    async with replying(answer) as provider, client(provider) as upstreams:
        found = await read(upstreams.bind(target()))
    assert found == (200, ((b"content-type", b"text/x"),), PLAIN)


async def test_a_compressed_error_is_made_plain() -> None:
    answer = reply(gzip.compress(b"no"), "500 Oops", b"content-encoding: gzip\r\n")
    async with replying(answer) as provider, client(provider) as upstreams:
        assert await read(upstreams.bind(target())) == (500, (), b"no")
