"""Takes a person's words out of the records. That they asked, when, and what it cost stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Table, delete, func, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from aibridge.store import tables
from aibridge.store.engine import writing

AT_ONCE = 1000
"""Interceptions that are emptied in one transaction."""

_NONE = null()  # SQL's own, and no JSON

_EMPTIED: Mapping[Table, Mapping[str, Any]] = {
    tables.user_prompts: {"prompt": "", "metadata": _NONE},
    tables.tool_usages: {"input": _NONE, "invocation_error": _NONE, "metadata": _NONE},
    tables.model_thoughts: {"content": "", "metadata": _NONE},
}
"""What becomes of the rows that belong to an interception. Token usages hold no words."""

_INTERCEPTION = {"metadata": _NONE, "error_message": _NONE, "user_agent": _NONE, "client_session_id": _NONE}


async def count(engine: AsyncEngine, actor: str) -> dict[str, int]:
    """How many rows hold something of the actor's, by what they are."""
    ours, hidden = tables.interceptions, tables.hidden_turns
    async with engine.connect() as connection:
        mine = select(ours.c.id).where(ours.c.initiator_id == actor)
        found = {"interceptions": await _number(connection, ours, ours.c.initiator_id == actor)}
        for table in _EMPTIED:
            name = table.name.removeprefix("aibridge_")
            found[name] = await _number(connection, table, table.c.interception_id.in_(mine))
        found["hidden_turns"] = await _number(connection, hidden, hidden.c.actor == actor)
    return found


async def erase(engine: AsyncEngine, actor: str) -> None:
    """Empties what is kept of all that the actor asked up to now, and forgets their hidden turns.

    In a SQLite file the old words are overwritten. In PostgreSQL they are gone once it has vacuumed.
    """
    ours, after = tables.interceptions, ""
    mine = select(ours.c.id).where(ours.c.initiator_id == actor).order_by(ours.c.id).limit(AT_ONCE)
    while True:
        async with _overwriting(engine) as connection:
            ids = list(await connection.scalars(mine.where(ours.c.id > after)))
            for table, emptied in _EMPTIED.items():
                await connection.execute(update(table).where(table.c.interception_id.in_(ids)).values(emptied))
            await connection.execute(update(ours).where(ours.c.id.in_(ids)).values(_INTERCEPTION))
        if len(ids) < AT_ONCE:
            break
        after = ids[-1]
    async with _overwriting(engine) as connection:
        await connection.execute(delete(tables.hidden_turns).where(tables.hidden_turns.c.actor == actor))
    await _empty_journal(engine)


@asynccontextmanager
async def _overwriting(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that leaves nothing legible in SQLite's free pages."""
    async with writing(engine) as connection:
        if engine.dialect.name == "sqlite":
            await connection.exec_driver_sql("PRAGMA secure_delete = ON")
        yield connection


async def _empty_journal(engine: AsyncEngine) -> None:
    """Of SQLite's write-ahead log, which still holds the pages as they were. Readers at work may keep it a while."""
    if engine.dialect.name == "sqlite":
        autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")  # it works outside of transactions alone
        async with autocommit.connect() as connection:
            await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


async def _number(connection: AsyncConnection, table: Table, where: Any) -> int:
    return int(await connection.scalar(select(func.count()).select_from(table).where(where)) or 0)
