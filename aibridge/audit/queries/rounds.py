"""The tokens of each round, with who asked for it: the finest grain of usage, for exports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.audit.queries.filters import Filters
from aibridge.audit.queries.interceptions import BATCH
from aibridge.audit.queries.paging import Cursor, Row, beyond
from aibridge.store.tables import TOTALS, interceptions, token_usages

COLUMNS = (
    interceptions.c.started_at,
    token_usages.c.id,
    token_usages.c.interception_id,
    interceptions.c.initiator_id.label("actor"),
    interceptions.c.provider_name.label("provider"),
    interceptions.c.model,
    interceptions.c.client,
    interceptions.c.client_session_id.label("session"),
    *(token_usages.c[name] for name in TOTALS if name in token_usages.c),
    token_usages.c.metadata,
)


async def every(engine: AsyncEngine, filters: Filters, *, batch: int = BATCH) -> AsyncIterator[Row]:
    """All rounds that are meant, those of the oldest interception first, a batch of them in memory at a time."""
    after: Cursor | None = None
    while True:
        async with engine.connect() as connection:
            query = _ordered(filters, after).limit(batch)
            rows = [dict(row) for row in (await connection.execute(query)).mappings()]
        for row in rows:
            yield row
        if len(rows) < batch:
            return
        after = Cursor(rows[-1]["started_at"], rows[-1]["id"])


def _ordered(filters: Filters, after: Cursor | None) -> Select[Any]:
    at, id_ = interceptions.c.started_at, token_usages.c.id
    query = select(*COLUMNS).join_from(interceptions, token_usages).where(*filters.conditions())
    if after is not None:
        query = query.where(at >= after.at, beyond(at, id_, after, ascending=True))
    return query.order_by(at, id_)
