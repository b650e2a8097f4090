"""A bad network between the gateway and a provider: each answer on a connection has a fate, drawn from the seed."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from random import Random
from types import TracebackType
from typing import Literal, Self

Kind = Literal["clean", "lags", "slices", "crawls", "stalls", "cuts", "resets"]

_WEIGHTS: dict[Kind, int] = {
    "clean": 10,  # nothing happens
    "lags": 2,  # each piece comes late
    "slices": 3,  # byte by byte
    "crawls": 2,  # so many bytes a second
    "stalls": 1,  # after some bytes nothing more comes, for ever
    "cuts": 2,  # after some bytes the connection is closed in peace
    "resets": 2,  # after some bytes, perhaps none, it is reset
}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time at all
_PIECE = 64  # bytes of a crawling answer


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of an answer. `after`: so many bytes; `seconds`: of lag; `rate`: bytes a second."""

    kind: Kind = "clean"
    after: int = 0
    seconds: float = 0.0
    rate: float = 1.0

    @classmethod
    def drawn(cls, random: Random) -> Fate:
        (kind,) = random.choices([*_WEIGHTS], [*_WEIGHTS.values()])
        after = int(random.choice((0, 300, 1_500, 4_000)) * random.random())
        return cls(kind, after, seconds=random.uniform(0, 0.1), rate=random.uniform(2_000, 50_000))


class Proxy:
    """Listens on a loopback port while its context is entered. Until `storm` is set every answer is clean."""

    def __init__(self, upstream: int, seed: str) -> None:
        self.met: Counter[Kind] = Counter()
        self.storm = False
        self._upstream = upstream
        self._seed = seed
        self._numbers = count(1)
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=2048)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def fate(self, random: Random) -> Fate:
        """That of the next answer on a connection."""
        fate = Fate.drawn(random) if self.storm else Fate()
        self.met[fate.kind] += 1
        return fate

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        random = Random(f"{self._seed}:{next(self._numbers)}")
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        line = _Line(self, random, writer)
        ways = [
            asyncio.create_task(line.ask(reader, up_writer)),
            asyncio.create_task(line.answer(up_reader)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            await _close(up_writer)
            await _close(writer)


class _Line:
    """One connection: requests up as they are, answers down as they are fated."""

    def __init__(self, proxy: Proxy, random: Random, down: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._random = random
        self._down = down
        self._fate = Fate()
        self._carried = -1  # bytes of this answer; before the first request there is none

    async def ask(self, reader: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        """Whatever comes after an answer is a new request, whose answer has a fate of its own."""
        try:
            while data := await reader.read(65_536):
                if self._carried:
                    self._fate, self._carried = self._proxy.fate(self._random), 0
                up.write(data)
                await up.drain()
        except OSError:
            pass  # the provider has closed

    async def answer(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(65_536):
                await self._send(data)
                if self._falls_with(data):
                    return await self._fall()
                self._carried += len(data)
        except OSError:
            pass  # the gateway has closed
        return None

    def _falls_with(self, data: bytes) -> bool:
        return self._fate.kind in ("stalls", "cuts", "resets") and self._carried + len(data) > self._fate.after

    async def _send(self, data: bytes) -> None:
        fate = self._fate
        if self._falls_with(data):
            data = data[: max(0, fate.after - self._carried)]
        size = {"slices": 1, "crawls": _PIECE}.get(fate.kind, len(data) or 1)
        if fate.kind == "lags":
            await asyncio.sleep(fate.seconds)
        for start in range(0, len(data), size):
            self._down.write(data[start : start + size])
            await self._down.drain()
            await asyncio.sleep(size / fate.rate if fate.kind == "crawls" else 0)

    async def _fall(self) -> None:
        if self._fate.kind == "stalls":
            await asyncio.Event().wait()  # until the gateway gives up
        elif self._fate.kind == "resets":
            plug: socket.socket = self._down.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._down.transport.abort()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):  # it was reset
        await writer.wait_closed()
