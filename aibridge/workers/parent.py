"""The parent: it listens, keeps as many workers as it was asked for, and hands on what it is told."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from contextlib import suppress
from typing import Final

from aibridge.config import ConfigError, Settings, Source, renewed
from aibridge.gateway.listening import listen, url_of
from aibridge.reload import watch
from aibridge.telemetry import logs
from aibridge.telemetry.figures import NONE, lasting, summed
from aibridge.telemetry.metrics import render
from aibridge.workers.pauses import Pauses
from aibridge.workers.worker import Worker

logger = logging.getLogger(__name__)

CLOSING_SECONDS: Final = 30.0
"""What a worker may take to close its rooms, beyond the grace of its requests; then it is killed."""

_WELL_ENDED: Final = frozenset({0, -signal.SIGINT, -signal.SIGTERM})
"""Whoever signals a whole group may hit a worker that has nothing left to do, or had not begun."""


def serve(settings: Settings, source: Source) -> int:
    """Serves until a signal; the exit code. Raises OSError where it cannot listen."""
    logs.configure(settings.telemetry.log_level, settings.telemetry.log_format)
    with listen(settings.server.host, settings.server.port) as listener:
        return asyncio.run(Parent(settings, source, listener).run())


class Parent:
    """Starts the first worker alone: if it does not get up, no other one would, and its reason is told once.

    All share one listening socket, so none that is busy or dead keeps a connection waiting.
    """

    def __init__(self, settings: Settings, source: Source, listener: socket.socket) -> None:
        self._settings = settings
        self._source = source
        self._listener = listener
        self._workers: dict[int, Worker] = {}
        self._stopping = asyncio.Event()
        self._up = asyncio.Event()  # a worker has been up
        self._lost = NONE  # what dead workers had counted, as far as anybody was told

    async def run(self) -> int:
        """Serves until a signal. 0 once all workers have ended well, 1 if none got up or one did not end well."""
        self._heed_signals()
        watching = asyncio.create_task(watch(self._source, self._read), name="aibridge-config-watch")
        try:
            return await self._run()
        finally:
            watching.cancel()

    async def _run(self) -> int:
        keeping = [asyncio.create_task(self._keep(1))]
        up = asyncio.create_task(self._up.wait())
        await asyncio.wait([*keeping, up], return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._up.is_set():
            keeping += [asyncio.create_task(self._keep(one)) for one in range(2, self._settings.server.workers + 1)]
            logger.info("aibridge listens on %s with %d workers", url_of(self._listener), len(keeping))
        statuses = await asyncio.gather(*keeping)
        if not self._up.is_set() and not self._stopping.is_set():
            logger.error("aibridge cannot begin: its first worker ended with %s", _told(statuses[0]))
            return 1
        logger.info("aibridge has stopped")
        return 0 if _WELL_ENDED.issuperset(statuses) else 1

    async def _keep(self, number: int) -> int:
        """Keeps one worker running until all are to stop; the status of the last. One that never was up is given up."""
        pauses, status = Pauses(asyncio.get_running_loop().time), 0
        while not self._stopping.is_set():
            status = await self._work(number)
            if self._stopping.is_set() or not self._up.is_set():
                break
            pause = pauses.next()
            logger.error("worker %d ended with %s; another begins in %g s", number, _told(status), pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
                    status = 0
        return status

    async def _work(self, number: int) -> int:
        """Runs one worker to its end."""
        try:
            worker = await Worker.start(number, self._settings, self._source, self._listener, self._total)
        except OSError as error:  # no more processes, or memory, for now
            logger.error("worker %d cannot be started: %s", number, error.strerror)
            return 1
        self._workers[number] = worker
        if self._stopping.is_set():
            worker.say("stop")
        rising = asyncio.create_task(self._rise(number, worker))
        status = await worker.ended()
        rising.cancel()
        del self._workers[number]
        self._lost = summed([self._lost, lasting(worker.figures)])
        return status

    async def _rise(self, number: int, worker: Worker) -> None:
        await worker.up.wait()
        self._up.set()
        logger.info("worker %d serves: process %d", number, worker.pid)

    async def _total(self) -> bytes:
        """The page that tells what all workers have counted, dead ones too, so that no counter ever falls.

        It is put together here, where it holds up no stream: thousands of series take a tenth of a second.
        """
        await asyncio.gather(*(worker.refresh() for worker in self._workers.values()))
        return render(summed([self._lost, *(worker.figures for worker in self._workers.values())]))

    # What it is told.

    def _heed_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _stop(self) -> None:
        """Politely; the second time impatiently."""
        self._tell("hurry" if self._stopping.is_set() else "stop")
        if not self._stopping.is_set():
            self._stopping.set()
            patience = self._settings.server.shutdown_grace_seconds + CLOSING_SECONDS
            asyncio.get_running_loop().call_later(patience, self._kill)

    def _hang_up(self) -> None:
        self._read()
        self._tell("reload")  # no signal, which would end one that is only just beginning

    def _tell(self, word: str) -> None:
        for worker in self._workers.values():
            worker.say(word)

    def _kill(self) -> None:
        for number, worker in self._workers.items():
            logger.error("worker %d does not end: it is killed", number)
            worker.kill()

    def _read(self) -> None:
        """Keeps the newest good settings for the workers that are yet to be started. They tell of bad ones."""
        with suppress(ConfigError):
            self._settings, _ = renewed(self._settings, self._source.read())


def _told(status: int) -> str:
    return f"signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"status {status}"
