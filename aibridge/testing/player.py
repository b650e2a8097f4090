"""Plays a reply to a client: writes its pieces, takes its steps, and notices when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import assert_never

from starlette.types import Receive, Send

from aibridge.testing.dialect import Misuse
from aibridge.testing.replies import Reply, only_piece
from aibridge.testing.steps import Delay, Disconnect, Head, Step, Truncate, Wait


class Player:
    """One response on its way. `threaded`: the server has an event loop of its own."""

    def __init__(self, receive: Receive, send: Send, abort: Callable[[], None], *, threaded: bool = False) -> None:
        self._receive = receive
        self._send = send
        self._abort = abort
        self._threaded = threaded
        self._started = False
        self._ended = False

    @property
    def started(self) -> bool:
        """Whether the response's head is out, or never will be."""
        return self._started or self._ended

    async def play(self, reply: Reply) -> None:
        """Sends the reply. Raises Misuse for a step that can't work here."""
        single = only_piece(reply)
        if single is not None:
            await self._start(reply, {"content-length": str(len(single))})
            await self._end(single)
            return
        for piece in reply.body:
            if isinstance(piece, bytes):
                await self._start(reply)
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
                await asyncio.sleep(0)  # lets others run, and a leaving client be noticed, in an endless stream
            elif not await self._step(piece, reply):
                break
        await self._start(reply)
        await self._end()

    async def cut(self) -> None:
        """Resets the connection."""
        self._ended = True
        self._abort()
        await self._receive()

    async def departure(self) -> bool:
        """Returns once the connection is of no more use: True if the client left before it had the whole response."""
        await self._receive()  # after the body there is no message but the disconnect
        return not self._ended

    async def _step(self, step: Step, reply: Reply) -> bool:
        """Takes a step; False: it was the last."""
        match step:
            case Wait():
                self._check(step)
                await step.event.wait()
            case Delay():
                await asyncio.sleep(step.seconds)
            case Head():
                await self._start(reply)
            case Disconnect():
                await self.cut()
            case Truncate():
                pass
            case _:
                assert_never(step)
        return not isinstance(step, Disconnect | Truncate)

    def _check(self, step: Wait) -> None:
        if self._threaded and isinstance(step.event, asyncio.Event):
            raise Misuse("this server runs in a thread, where an asyncio.Event does not reach: wait for a Gate instead")

    async def _start(self, reply: Reply, extra: Mapping[str, str] | None = None) -> None:
        if self.started:
            return
        self._started = True
        headers = [*_encoded({**(extra or {}), **{name.lower(): value for name, value in reply.headers.items()}})]
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})

    async def _end(self, last: bytes = b"") -> None:
        if not self._ended:
            await self._send({"type": "http.response.body", "body": last})  # may wait for a slow reader
            self._ended = True


def _encoded(headers: Mapping[str, str]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers.items():
        yield name.encode("latin-1"), value.encode("latin-1")
