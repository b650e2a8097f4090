"""A worker as its parent sees it."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from typing import Final, Self

import msgspec

from aibridge.config import Settings, Source
from aibridge.telemetry.figures import NONE, Figures
from aibridge.workers.channel import Channel
from aibridge.workers.task import Task

# -P: a module in the directory where the gateway was started is none of ours.
COMMAND: Final = (sys.executable, "-P", "-m", "aibridge.workers.child")

FIGURES_SECONDS: Final = 1.0
"""How long a worker may take to tell its figures; then those that it told before count."""

_decode = msgspec.json.Decoder(Figures).decode

Answer = Callable[[], Awaitable[bytes]]
"""What `/metrics` answers for all workers."""


class Worker:
    """A running process. `up` is set once it serves; `figures` are those that it has told last."""

    def __init__(self, process: Process, channel: Channel, total: Answer) -> None:
        self.up = asyncio.Event()
        self.figures: Figures = NONE
        self._process = process
        self._channel = channel
        self._total = total
        self._told = asyncio.Event()
        self._answers: set[asyncio.Task[None]] = set()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(
        cls, number: int, settings: Settings, source: Source, listener: socket.socket, total: Answer
    ) -> Self:
        """A new process, which is not up yet. It shares no memory, no thread and no terminal signal with this one."""
        ours, theirs = socket.socketpair()
        with theirs:
            task = Task(number, settings, source, listener.fileno(), theirs.fileno())
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(listener.fileno(), theirs.fileno()),
                start_new_session=True,
            )
        assert process.stdin is not None  # it was asked for  # noqa: S101
        process.stdin.write(task.packed())
        process.stdin.close()
        return cls(process, await Channel.over(ours), total)

    @property
    def pid(self) -> int:
        return self._process.pid

    def say(self, word: str) -> None:
        """`stop`, `hurry` or `reload`."""
        self._channel.say(word)

    def kill(self) -> None:
        """Ends the process by force."""
        if self._process.returncode is None:
            self._process.kill()

    async def ended(self) -> int:
        """Waits for the end of the process; its status, negative for a signal."""
        status = await self._process.wait()
        self._listening.cancel()
        self._channel.close()
        return status

    async def refresh(self) -> None:
        """Has the figures told anew; those of a worker that says nothing stay as they are."""
        self._told.clear()
        self._channel.say("figures")
        try:
            async with asyncio.timeout(FIGURES_SECONDS):
                await self._told.wait()
        except TimeoutError:
            pass

    async def _listen(self) -> None:
        while (heard := await self._channel.hear()) is not None:
            match heard:
                case ("up", _):
                    self.up.set()
                case ("figures", data):
                    self.figures = _decode(data)
                    self._told.set()
                case ("scrape", _):
                    self._answer()
        self._told.set()  # it won't say any more

    def _answer(self) -> None:
        answer = asyncio.create_task(self._say_total())
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def _say_total(self) -> None:
        page = await self._total()
        self._channel.say("total", msgspec.json.encode(page.decode()))  # as a line
