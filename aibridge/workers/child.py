"""A worker: `python -m aibridge.workers.child`, with its task on standard input. Nobody but a parent starts it."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections import deque
from functools import partial

import msgspec
import uvloop

from aibridge import app, memory
from aibridge.app import House
from aibridge.config import ConfigError
from aibridge.errors import AibridgeError, Unavailable
from aibridge.telemetry.redaction import Redactor
from aibridge.workers.channel import Channel
from aibridge.workers.task import Task


class Child:
    """The worker's side of the channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._scrapes: deque[asyncio.Future[bytes]] = deque()

    async def scrape(self) -> bytes:
        """What `/metrics` answers: the sum over all workers, which the parent knows."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._scrapes.append(answer)
        self._channel.say("scrape")
        return await answer

    async def obey(self, house: House) -> None:
        """Does what the parent says. Once it is gone, ends what is open: another gateway will want the port."""
        self._channel.say("up")
        while (heard := await self._channel.hear()) is not None:
            self._do(house, *heard)
        self._hurry(house)
        while self._scrapes:
            self._scrapes.popleft().set_exception(Unavailable("the parent process is gone"))

    def _do(self, house: House, word: str, data: bytes) -> None:
        match word:
            case "figures":
                self._channel.say("figures", msgspec.json.encode(house.metrics.figures()))
            case "total":
                answer = self._scrapes.popleft()
                if not answer.done():  # whoever asked may have left
                    answer.set_result(msgspec.json.decode(data, type=str).encode())
            case "stop":
                house.server.stop()
            case "hurry":
                self._hurry(house)
            case "reload":
                house.reload.ask(aloud=True)

    def _hurry(self, house: House) -> None:
        if not house.server.should_exit:
            house.server.stop()
        house.server.stop()


def main() -> int:
    """Serves until the parent says otherwise; the exit status."""
    signal.signal(signal.SIGHUP, lambda *_: None)  # it may reach us before we can act on it
    task = Task.unpacked(sys.stdin.buffer)
    redactor = app.begin_log(task.settings, worker=task.number)
    try:
        uvloop.run(_work(task, redactor))
    except ConfigError as error:
        return _complain(*error.lines)
    except AibridgeError as error:
        return _complain(error.message)
    return 0


async def _work(task: Task, redactor: Redactor) -> None:
    channel = await Channel.over(socket.socket(fileno=task.channel))
    child = Child(channel)
    listener = socket.socket(fileno=task.listener)
    opened = app.opened(task.settings, source=task.source, redactor=redactor, listener=listener, scrape=child.scrape)
    async with opened as house, memory.spared():
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, partial(house.reload.ask, aloud=True))
        obeying = asyncio.create_task(child.obey(house))
        await house.run(heeds_signals=False)
    obeying.cancel()
    channel.close()


def _complain(*lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)  # noqa: T201  as a command does
    return 1


if __name__ == "__main__":
    sys.exit(main())
