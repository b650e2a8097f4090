"""How the pages and the API come to life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from starlette.types import ASGIApp

from aibridge.audit.api import Api
from aibridge.audit.site import Site
from aibridge.audit.sources import Sources
from aibridge.audit.viewer import Door
from aibridge.ports import Identify
from aibridge.store.clock import utc_now
from aibridge.store.engine import open_engine


@asynccontextmanager
async def open_audit(
    url: str, identify: Identify, sources: Sources | None = None, *, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[Mapping[str, ASGIApp]]:
    """What is served under each prefix, from a database that is up to date.

    `identify` tells who asks, as at the gateway itself; `sources` what the pages show beside the records.
    """
    engine = open_engine(url)
    try:
        door = Door(engine, identify, lambda: now().timestamp())
        known = sources or Sources()
        site = Site(engine, door, known, now)
        yield {"/api/v1/": Api(engine, door, known, now).app, "/ui/": site.app, "/ui": site.app}
    finally:
        await engine.dispose()
