"""From the settings to whoever tells who asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

from aibridge.config import Auth
from aibridge.gateway.identity import Anonymous, ByHeader, ByKey
from aibridge.gateway.keyring import Keyring
from aibridge.ports import Identify
from aibridge.store.clock import Sleep, utc_now
from aibridge.store.engine import open_engine
from aibridge.store.keys import Keys


@asynccontextmanager
async def open_identify(
    auth: Auth, url: str, *, clock: Callable[[], float] = monotonic, sleep: Sleep = asyncio.sleep
) -> AsyncIterator[Identify]:
    """Who asks, in the mode of the settings; `url`: the database that holds the keys, brought up to date by then."""
    match auth.mode:
        case "none":
            yield Anonymous()
        case "header":
            yield ByHeader(auth.header, auth.role_header, auth.trusted_proxies)
        case "keys":
            async with _open_keyring(url, clock, sleep) as keyring:
                yield ByKey(keyring)


@asynccontextmanager
async def _open_keyring(url: str, clock: Callable[[], float], sleep: Sleep) -> AsyncIterator[Keyring]:
    engine = open_engine(url)
    keyring = Keyring(Keys(engine), monotonic=clock, now=utc_now)
    noting = asyncio.create_task(keyring.note_uses(sleep), name="aibridge-keys")
    try:
        yield keyring
    finally:
        noting.cancel()
        await asyncio.wait([noting])
        await keyring.close()
        await engine.dispose()


def withheld(auth: Auth) -> frozenset[bytes]:
    """The headers that are between a proxy and us, and go no further."""
    named = [auth.header, auth.role_header] if auth.mode == "header" else []
    return frozenset(name.lower().encode() for name in named if name)
