"""Who looks, and whose records they may see."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from aibridge.audit.queries import keys
from aibridge.audit.queries.paging import Row
from aibridge.errors import Unauthorized
from aibridge.model import Actor
from aibridge.ports import Identify

SESSION_COOKIE = "aibridge_session"
SESSION_SECONDS = 12 * 3600
"""How long a browser stays signed in."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who is known. `by_session`: a browser that signed in, and can sign out."""

    actor: Actor
    by_session: bool = False

    @property
    def owner(self) -> str | None:
        """Whose records they may see; None for everybody's."""
        return self.actor.name if self.actor.role == "user" else None


class Door:
    """Lets in whoever the gateway knows, and browsers that have signed in.

    A session is the id of the key that was shown, its end, and a signature made with the key's stored hash: nothing
    more is kept, every gateway on the database can check it, and it dies with the key.
    """

    def __init__(self, engine: AsyncEngine, identify: Identify, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since 1970."""
        self._engine = engine
        self._identify = identify
        self._clock = clock

    async def viewer(self, request: Request) -> Viewer:
        """Raises Unauthorized or Forbidden."""
        try:
            identity = await self._identify(tuple(request.scope["headers"]), _peer(request))
        except Unauthorized:
            actor = await self._remembered(request.cookies.get(SESSION_COOKIE, ""))
            if actor is None:
                raise
            return Viewer(actor, by_session=True)
        return Viewer(identity.actor)

    async def session(self, request: Request, key: str) -> str:
        """A new session for whoever shows this key. Raises Unauthorized or Forbidden."""
        headers = [header for header in request.scope["headers"] if header[0] in (b"host", b"origin")]
        encoded = key.strip().encode("latin-1", errors="replace")
        identity = await self._identify((*headers, (b"authorization", b"Bearer " + encoded)), _peer(request))
        row = await self._key(identity.actor.key_id or "")
        if row is None:
            raise Unauthorized("This is no key of this gateway.")
        claim = f"{row['id']}.{int(self._clock()) + SESSION_SECONDS}"
        return f"{claim}.{_signature(claim, row['hash'])}"

    async def _remembered(self, session: str) -> Actor | None:
        claim, _, signature = session.rpartition(".")
        id_, _, end = claim.partition(".")
        if not (end.isascii() and end.isdecimal() and len(end) < 20) or int(end) <= self._clock():
            return None
        row = await self._key(id_)
        if row is None or not hmac.compare_digest(_signature(claim, row["hash"]).encode(), signature.encode()):
            return None
        return Actor(row["actor"], key_id=row["id"], role=row["role"])

    async def _key(self, id_: str) -> Row | None:
        if "\0" in id_:
            return None
        async with self._engine.connect() as connection:
            return await keys.secret_of(connection, id_)


def _peer(request: Request) -> str | None:
    return None if request.client is None else request.client.host


def _signature(claim: str, key_hash: str) -> str:
    return hmac.new(key_hash.encode(), f"aibridge session {claim}".encode(), hashlib.sha256).hexdigest()
