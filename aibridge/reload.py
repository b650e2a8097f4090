"""Settings that change while the gateway serves: when they are read again, and what comes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aibridge.config import ConfigError, FileWatch, Settings, Source, renewed

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often the file is looked at."""

Apply = Callable[[Settings], Awaitable[None]]
"""Takes settings over. Raises ConfigError where they cannot be, and then has changed nothing."""


class Reload:
    """The settings in force, and the way to newer ones. `told` hears of each reading whether it was good.

    One reading comes after the other; those that are asked for in the meantime are one.
    """

    def __init__(
        self, settings: Settings, read: Callable[[], Settings], apply: Apply, *, told: Callable[[bool], None]
    ) -> None:
        self.settings = settings
        self.fault: str | None = None  # why the last reading was refused
        self._read = read
        self._apply = apply
        self._told = told
        self._late: list[str] = []
        self._asked = asyncio.Event()
        self._aloud = False

    def ask(self, *, aloud: bool = False) -> None:
        """Has the settings read again, soon. `aloud`: somebody waits to hear of it, even if nothing has changed."""
        self._aloud = self._aloud or aloud
        self._asked.set()

    async def run(self) -> None:
        """Reads whenever it is asked for, until it is cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self.once()

    async def once(self) -> None:
        """Reads the settings and takes them over, or says why not."""
        try:
            settings, late = renewed(self.settings, await asyncio.to_thread(self._read))
            changed = settings != self.settings
            if changed:
                await self._apply(settings)
        except ConfigError as error:
            self._refuse("; ".join(error.lines))
        except Exception as error:
            logger.exception("the new settings could not be taken over")
            self._refuse(f"a fault of ours, {type(error).__name__}: the log says more")
        else:
            self.settings = settings
            self._accept(late, changed=changed)

    def _refuse(self, reason: str) -> None:
        self.fault, self._aloud = reason, False
        self._told(False)
        logger.error("the new settings are refused, and the old ones stay in force: %s", reason)

    def _accept(self, late: list[str], *, changed: bool) -> None:
        if late and late != self._late:
            logger.warning("these settings need a restart to change: %s", ", ".join(late))
        if changed or self.fault is not None:
            logger.info("the new settings are in force" if changed else "the settings are those in force again")
            self._told(True)
        elif self._aloud:
            logger.info("the settings have not changed")
        self._late, self.fault, self._aloud = late, None, False


@asynccontextmanager
async def reloading(reload: Reload, source: Source, *, watched: bool) -> AsyncIterator[None]:
    """Reads the settings again while the block runs, when it is asked for or, `watched`, when the file changes."""
    tasks = [asyncio.create_task(reload.run(), name="aibridge-reload")]
    if watched:
        tasks.append(asyncio.create_task(watch(source, reload.ask), name="aibridge-config-watch"))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def watch(source: Source, changed: Callable[[], None]) -> None:
    """Tells of each change of the file, until it is cancelled."""
    file = FileWatch(source.file)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if file.changed():
            changed()
