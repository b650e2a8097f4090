"""The way back to the client: bytes out with back-pressure, keepalives, and an eye on whether it is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import cast

from starlette.types import Send

from aibridge.errors import AibridgeError
from aibridge.gateway.departure import Departure
from aibridge.gateway.headers import returnable
from aibridge.model import Head, Headers, Relay

_EVENT_STREAM = b"text/event-stream"


class ClientGone(AibridgeError):
    """The client went away before its answer was complete."""

    fault = "client"
    status = 499
    type = "cancelled"


class Reply:
    """One HTTP response. Call it with the Head, then with what follows; a body that is no stream comes in one piece.

    `extra`: headers of ours. `keepalive` breaks each silence of `every` seconds in a stream. `answering` is called when
    the first bytes behind a successful head go out.
    """

    def __init__(
        self,
        send: Send,
        departure: Departure,
        *,
        extra: Headers = (),
        keepalive: bytes = b"",
        every: float = 15,
        answering: Callable[[], None] | None = None,
    ) -> None:
        self._send = send
        self._departure = departure
        self._extra = extra
        self._keepalive = keepalive
        self._every = every
        self._answering = answering
        self._loop = asyncio.get_running_loop()
        self._head: Head | None = None  # not sent yet
        self._streaming = False
        self._complete = False
        self._last_sent = self._loop.time()
        self._gone = False
        self._task: asyncio.Task[object] | None = None  # what is attended
        self._timer: asyncio.TimerHandle | None = None
        self._beat: asyncio.Task[None] | None = None

    def __call__(self, output: Head | Relay) -> Awaitable[None]:
        """Sends, and waits while the client reads slower than we write."""
        if self._streaming and self._answering is None and isinstance(output, Relay):
            return self._write(output.data)  # nearly always, so it costs no coroutine of its own
        return self._take(output)

    def _write(self, data: bytes) -> Awaitable[None]:
        self._last_sent = self._loop.time()
        return self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _take(self, output: Head | Relay) -> None:
        if isinstance(output, Head):
            await self._begin(output)
            return
        if self._answering is not None:
            self._answering()
            self._answering = None
        if self._streaming:
            await self._write(output.data)
        else:
            await self._send_whole(output.data)

    async def _begin(self, head: Head) -> None:
        if not 200 <= head.status < 300:
            self._answering = None
        if _is_stream(head):
            await self.stream(head)
        else:
            self._head = head

    async def stream(self, head: Head) -> None:
        """Starts a body of unknown length, whatever its type."""
        self._streaming = True
        self._last_sent = self._loop.time()
        if self._task is not None and self._keepalive:
            self._timer = self._loop.call_later(self._every, self._break_silence)
        await self._send_head(head, ())

    @property
    def begun(self) -> bool:
        """Whether the client has seen the start of the response."""
        return self._streaming or self._complete

    async def finish(self) -> None:
        """Ends the response."""
        if self._head is not None:
            await self._send_whole(b"")
        elif self._streaming:
            self._streaming = False
            self._complete = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def attended(self) -> AbstractAsyncContextManager[None]:
        """Runs its block while the client is there: raises ClientGone in it as soon as the client is not."""
        return self

    async def __aenter__(self) -> None:
        self._task = cast(asyncio.Task[object], asyncio.current_task(self._loop))
        self._departure.watch(self._left)

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        self._departure.watch(None)
        if self._timer is not None:
            self._timer.cancel()
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.wait([self._beat])
        if self._gone:
            cast(asyncio.Task[object], self._task).uncancel()
            if isinstance(error, asyncio.CancelledError):
                raise ClientGone("the client went away") from None

    def _left(self) -> None:
        if not self._complete:
            self._gone = True
            cast(asyncio.Task[object], self._task).cancel()

    def _break_silence(self) -> None:
        """Looks whether the stream has been silent for long; a timer costs less than a task that sleeps."""
        silence = self._loop.time() - self._last_sent
        if silence < self._every:
            self._timer = self._loop.call_later(self._every - silence, self._break_silence)
        elif self._streaming:
            self._beat = self._loop.create_task(self._send_keepalive())

    async def _send_keepalive(self) -> None:
        self._timer = self._loop.call_later(self._every, self._break_silence)
        await self._write(self._keepalive)

    async def _send_head(self, head: Head, more: Headers) -> None:
        headers = [*returnable(head.headers), *more, *self._extra]
        await self._send({"type": "http.response.start", "status": head.status, "headers": headers})

    async def _send_whole(self, body: bytes) -> None:
        head, self._head = cast(Head, self._head), None
        await self._send_head(head, ((b"content-length", b"%d" % len(body)),))
        self._complete = True
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


def _is_stream(head: Head) -> bool:
    return any(name == b"content-type" and value.startswith(_EVENT_STREAM) for name, value in head.headers)
