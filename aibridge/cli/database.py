"""The database as commands use it: brought up to date first, so that they work before the first `serve`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from aibridge.config import Settings
    from aibridge.store.engine import Database

T = TypeVar("T")


def with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """What comes of the work. Raises StoreError where the database cannot be used."""
    import asyncio

    return asyncio.run(_with_database(settings.recorder.url, work))


async def _with_database(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    from aibridge.store.engine import open_engine, told_as_ours
    from aibridge.store.migrate import migrate

    engine = open_engine(url)
    try:
        await migrate(engine)
        with told_as_ours(engine):
            return await work(engine)
    finally:
        await engine.dispose()
