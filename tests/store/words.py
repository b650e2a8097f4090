"""Records of people, with a word in every place that can hold one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.store import tables
from aibridge.store.engine import writing

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


async def add(engine: AsyncEngine, name: str, actor: str = "alice", word: str = "w", **changes: Any) -> None:
    """An interception with one row of each kind, and a hidden turn."""
    when = changes.get("started_at", NOON)
    mine: Mapping[str, Any] = {"id": name, "interception_id": name, "created_at": when, "metadata": {"a": word}}
    start = dict.fromkeys(("provider", "provider_name", "route", "model", "client", "credential_kind"), "x")
    said = dict.fromkeys(("error_message", "user_agent", "client_session_id"), word)
    rest = {"streaming": True, "rounds": 1, "started_at": when, "ended_at": when, "metadata": {"a": word}}
    call = {"provider_tool_call_id": "c", "tool": "t", "input": {"a": word}, "injected": True, "invocation_error": word}
    tokens = dict.fromkeys(("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens"), 7)
    place = {"actor": actor, "provider": "x", "key": name, "turn_id": "t"}
    hidden = {**place, "content": word.encode(), "created_at": when, "expires_at": when}
    rows: list[tuple[Any, Mapping[str, Any]]] = [
        (tables.interceptions, {"id": name, "initiator_id": actor, **start, **said, **rest, **changes}),
        (tables.user_prompts, {**mine, "prompt": word}),
        (tables.tool_usages, {**mine, **call}),
        (tables.model_thoughts, {**mine, "content": word}),
        (tables.token_usages, {**mine, **tokens, "metadata": {}}),
        (tables.hidden_turns, hidden),
    ]
    async with writing(engine) as connection:
        for table, row in rows:
            await connection.execute(insert(table).values(**row))
