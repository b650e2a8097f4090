"""What happened in interceptions, in the order in which it did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from aibridge.audit.queries.paging import Row
from aibridge.store.tables import model_thoughts, token_usages, tool_usages, user_prompts

# Rows of one moment are told in the order of their causes.
_KINDS: dict[str, Table] = {
    "prompt": user_prompts,
    "thought": model_thoughts,
    "tool": tool_usages,
    "tokens": token_usages,
}
_RANKS = {kind: rank for rank, kind in enumerate(_KINDS)}


async def events(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[Row]]:
    """Prompts, thoughts, calls and tokens of each of these interceptions; `kind` says which an event is."""
    found: dict[str, list[Row]] = {id_: [] for id_ in ids}
    for kind, table in _KINDS.items():
        for row in (await connection.execute(_of(table, ids))).mappings():
            event = {"kind": kind, **row}
            found[event.pop("interception_id")].append(event)
    for events_ in found.values():
        events_.sort(key=lambda event: (event["created_at"], _RANKS[event["kind"]], event["id"]))
    return found


def _of(table: Table, ids: Sequence[str]) -> Select[Any]:
    return select(table).where(table.c.interception_id.in_(ids))
