"""Gateway keys, as far as they may be shown: never their hashes."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from aibridge.audit.queries.paging import Row
from aibridge.store.tables import keys

_SHOWN = [column for column in keys.c if column.name != "hash"]


async def every(connection: AsyncConnection, owner: str | None) -> list[Row]:
    """All keys, or an owner's: the good ones first, then the newest."""
    query = select(*_SHOWN).order_by(keys.c.revoked_at.is_not(None), keys.c.created_at.desc(), keys.c.id)
    if owner is not None:
        query = query.where(keys.c.actor == owner)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def secret_of(connection: AsyncConnection, id_: str) -> Row | None:
    """A key that is good, with its hash, for whoever checks a sign-in."""
    query = select(keys).where(keys.c.id == id_, keys.c.revoked_at.is_(None))
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else dict(row)
