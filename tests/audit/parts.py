"""Somebody who asks, and records to be found."""

import hashlib
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.errors import Unauthorized
from aibridge.model import Actor, Headers, Role
from aibridge.ports import Identity
from aibridge.recorder import totals
from aibridge.store import tables

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

KEYS: dict[str, tuple[str, Role]] = {
    "aib_ada": ("ada", "user"),
    "aib_grace": ("grace", "user"),
    "aib_auditor": ("vera", "auditor"),
}


class KnownKeys:
    """Identify, by the keys above."""

    async def __call__(self, headers: Headers, peer: str | None = None) -> Identity:
        key = dict(headers).get(b"authorization", b"").decode().removeprefix("Bearer ")
        if key not in KEYS:
            raise Unauthorized("This is no key of this gateway.")
        name, role = KEYS[key]
        return Identity(Actor(name, key_id=f"key-of-{name}", role=role), None)


class Anybody:
    """Identify where nobody signs in."""

    async def __call__(self, headers: Headers, peer: str | None = None) -> Identity:
        return Identity(Actor("anonymous", role="admin"), None)


async def add_keys(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for key, (actor, role) in KEYS.items():
            row = {"id": f"key-of-{actor}", "actor": actor, "role": role, "hint": "aib_…", "created_at": NOW}
            digest = hashlib.sha256(key.encode()).hexdigest()
            await connection.execute(insert(tables.keys).values(row | {"hash": digest}))


async def add(engine: AsyncEngine, id_: str, *, ago: timedelta = timedelta(minutes=5), **more: Any) -> datetime:
    """An interception that took two seconds; when it started."""
    await _insert(engine, tables.interceptions, [_interception(id_, NOW - ago) | more])
    return NOW - ago


async def add_many(engine: AsyncEngine, number: int) -> list[str]:
    """So many interceptions, two at a time, each with a round; their ids in order."""
    ids = [f"i{one:04}" for one in range(number)]
    at = [NOW - timedelta(hours=10) + timedelta(seconds=one // 2) for one in range(number)]
    await _insert(engine, tables.interceptions, [_interception(id_, then) for id_, then in zip(ids, at, strict=True)])
    await _insert(engine, tables.token_usages, [_record(id_, _TOKENS) for id_ in ids])
    return ids


def _interception(id_: str, at: datetime) -> dict[str, Any]:
    return {
        "id": id_, "initiator_id": "ada", "provider": "openai", "provider_name": "openai", "model": "gpt-5",
        "route": "/openai/v1/responses", "streaming": True, "client": "Codex", "credential_kind": "centralized",
        "rounds": 1, "started_at": at, "ended_at": at + timedelta(seconds=2), "status": "completed", "metadata": {},
    }  # fmt: skip


_TOKENS = {
    "input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 7, "cache_write_input_tokens": 3,
    "cost_micros": 1000,
}  # fmt: skip


async def add_tokens(engine: AsyncEngine, owner: str, *, cost: int | None = 1000, **more: Any) -> None:
    await _insert(engine, tables.token_usages, [_record(owner, _TOKENS | {"cost_micros": cost} | more)])


async def add_prompt(engine: AsyncEngine, owner: str, prompt: str) -> None:
    await _insert(engine, tables.user_prompts, [_record(owner, {"prompt": prompt})])


async def add_thought(engine: AsyncEngine, owner: str, content: str) -> None:
    row = {"content": content, "metadata": {"source": "thinking"}}
    await _insert(engine, tables.model_thoughts, [_record(owner, row)])


async def add_call(engine: AsyncEngine, owner: str, tool: str, **more: Any) -> None:
    row = {"provider_tool_call_id": "call_1", "tool": tool, "injected": False, "input": {"path": "/x"}}
    await _insert(engine, tables.tool_usages, [_record(owner, row | more)])


_numbers = count()


def _record(owner: str, row: dict[str, Any]) -> dict[str, Any]:
    made = {"id": f"record-{next(_numbers):06}", "interception_id": owner, "created_at": NOW, "metadata": {}}
    return made | row


async def _insert(engine: AsyncEngine, table: Any, rows: list[dict[str, Any]]) -> None:
    """And has the interceptions sum up what they used, as they do when they end."""
    async with engine.begin() as connection:
        await connection.execute(insert(table), rows)
        ended = tables.interceptions.c.ended_at.is_not(None)
        took = totals.took(tables.interceptions.c.ended_at)
        await connection.execute(update(tables.interceptions).where(ended).values(**totals.of_each(), took_ms=took))
