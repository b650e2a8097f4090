"""The bad network does what its fates say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random

import pytest

from tests.chaos.proxy import Fate, Proxy

ANSWER = b"0123456789" * 20


@asynccontextmanager
async def provider() -> AsyncIterator[int]:
    """Answers each line with the same bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(ANSWER)
        writer.close()
        with suppress(OSError):  # the proxy has reset it
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})


@asynccontextmanager
async def through(*fates: Fate) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection whose answers have these fates."""
    left = iter(fates)

    class Fated(Proxy):
        def fate(self, _: Random) -> Fate:
            return next(left)

    async with provider() as port, Fated(port, "seed") as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@pytest.mark.parametrize("kind", ["clean", "lags", "slices", "crawls"])
async def test_some_fates_only_take_their_time(kind: str) -> None:
    async with through(Fate(kind, seconds=0.01, rate=1e6)) as (reader, writer):  # type: ignore[arg-type]
        writer.write(b"ask\n")
        assert await reader.readexactly(len(ANSWER)) == ANSWER


async def test_an_answer_is_cut_after_so_many_bytes() -> None:
    async with through(Fate("cuts", after=7)) as (reader, writer):
        writer.write(b"ask\n")
        assert await reader.read() == ANSWER[:7]


async def test_an_answer_is_reset() -> None:
    async with through(Fate("resets", after=0)) as (reader, writer):
        writer.write(b"ask\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_an_answer_stalls_until_its_reader_leaves() -> None:
    async with through(Fate("stalls", after=7)) as (reader, writer):
        writer.write(b"ask\n")
        assert await reader.readexactly(7) == ANSWER[:7]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reader.read(1)


async def test_each_answer_has_a_fate_of_its_own() -> None:
    async with through(Fate(), Fate("cuts", after=3)) as (reader, writer):
        writer.write(b"ask\n")
        assert await reader.readexactly(len(ANSWER)) == ANSWER
        writer.write(b"ask again\n")
        assert await reader.read() == ANSWER[:3]


def test_fates_are_those_of_the_seed() -> None:
    def drawn(seed: str) -> list[Fate]:
        random = Random(seed)
        return [Fate.drawn(random) for _ in range(200)]

    assert drawn("1") == drawn("1") != drawn("2")
    assert len({fate.kind for fate in drawn("1")}) == 7


def test_until_the_storm_all_is_clean() -> None:
    proxy = Proxy(1, "seed")
    assert {proxy.fate(Random(number)).kind for number in range(100)} == {"clean"}
    proxy.storm = True
    assert len({proxy.fate(Random(number)).kind for number in range(100)}) > 1
