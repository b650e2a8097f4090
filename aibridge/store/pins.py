"""Definitions of MCP servers' tools as they were first seen or approved, and as they are offered since."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, and_, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.store.engine import open_engine, writing
from aibridge.store.migrate import migrate
from aibridge.store.tables import tool_pins

Known = Mapping[str, Row[Any, Any, Any]]

MAX_PINS = 2000
"""How many tools of one server are pinned: one that makes up ever new names must not fill the disk."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One tool: its good definition, and the one it has now where that is another."""

    server: str
    tool: str
    definition: Any
    first_seen_at: datetime
    approved_at: datetime | None  # None: taken at first sight
    changed_definition: Any  # None: it is unchanged
    changed_hash: str | None  # SHA-256, by which somebody says what they have read
    changed_at: datetime | None


@asynccontextmanager
async def open_pins(url: str) -> AsyncIterator[Pins]:
    """The pins in a database, brought up to date. Raises StoreError where it can't be used."""
    engine = open_engine(url)
    try:
        await migrate(engine)
        yield Pins(engine)
    finally:
        await engine.dispose()


class Pins:
    """The pins of all servers. Everything raises sqlalchemy's DBAPIError where the database is in trouble."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def sync(self, server: str, offered: Mapping[str, bytes]) -> Mapping[str, str]:
        """Takes the definitions, as JSON by tool, that a server offers now; those never seen before are good.

        Returns the good ones' SHA-256, by tool. A server that has had MAX_PINS tools gets no more of them pinned.
        """
        try:
            return await self._sync(server, offered)
        except IntegrityError:  # another gateway saw the same at the same time: now it is known
            return await self._sync(server, offered)

    async def _sync(self, server: str, offered: Mapping[str, bytes]) -> Mapping[str, str]:
        hashes = {tool: hashlib.sha256(definition).hexdigest() for tool, definition in offered.items()}
        known = await self._known(server)
        new = [tool for tool in hashes if tool not in known][: max(0, MAX_PINS - len(known))]
        hashes = {tool: hashed for tool, hashed in hashes.items() if tool in known or tool in new}
        if any(_is_news(known.get(tool), hashed) for tool, hashed in hashes.items()):
            await self._note(server, offered, hashes, known)
        return {tool: known[tool].hash if tool in known else hashed for tool, hashed in hashes.items()}

    async def list(self) -> Sequence[Pin]:
        """All pins, by server and tool."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(tool_pins).order_by(tool_pins.c.server, tool_pins.c.tool))
            return [_pin(row) for row in rows]

    async def approve(
        self, server: str | None = None, tool: str | None = None, *, seen: str | None = None
    ) -> Sequence[Pin]:
        """Makes the changed definitions good: of one tool, of a server's, or of all. Returns what had changed.

        `seen`: how the hash of a definition begins; another one, which nobody may have read, is left as it is.
        """
        wanted: ColumnElement[bool] = tool_pins.c.changed_hash.is_not(None)
        if server is not None:
            wanted = and_(wanted, tool_pins.c.server == server)
        if tool is not None:
            wanted = and_(wanted, tool_pins.c.tool == tool)
        if seen is not None:
            wanted = and_(wanted, tool_pins.c.changed_hash.startswith(seen, autoescape=True))
        async with writing(self._engine) as connection:
            rows = list(await connection.execute(select(tool_pins).where(wanted)))
            for row in rows:
                await connection.execute(_at(row.server, row.tool).values(**_approved(row)))
        return [_pin(row) for row in rows]

    async def _known(self, server: str) -> Known:
        hashes = select(tool_pins.c.tool, tool_pins.c.hash, tool_pins.c.changed_hash)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(hashes.where(tool_pins.c.server == server))).all()
        return {row.tool: row for row in rows}

    async def _note(
        self,
        server: str,
        offered: Mapping[str, bytes],
        hashes: Mapping[str, str],
        known: Known,
    ) -> None:
        """Writes what is new: tools never seen, and definitions that are not the good ones, or are again."""
        now = datetime.now(UTC)
        async with writing(self._engine) as connection:
            for tool, hashed in hashes.items():
                row = known.get(tool)
                definition = msgspec.json.decode(offered[tool])
                if row is None:
                    values = {"server": server, "tool": tool, "hash": hashed, "definition": definition}
                    await connection.execute(insert(tool_pins).values(**values, first_seen_at=now))
                elif row.hash == hashed:
                    await connection.execute(_at(server, tool).values(**_UNCHANGED))
                elif row.changed_hash != hashed:
                    changed = {"changed_hash": hashed, "changed_definition": definition, "changed_at": now}
                    await connection.execute(_at(server, tool).values(**changed))


_UNCHANGED = {"changed_hash": None, "changed_definition": None, "changed_at": None}


def _is_news(row: Row[Any, Any, Any] | None, hashed: str) -> bool:
    return row is None or row.changed_hash != (None if row.hash == hashed else hashed)


def _approved(row: Row[Any]) -> dict[str, Any]:
    good = {"hash": row.changed_hash, "definition": row.changed_definition, "approved_at": datetime.now(UTC)}
    return good | _UNCHANGED


def _at(server: str, tool: str) -> Any:
    return update(tool_pins).where(tool_pins.c.server == server, tool_pins.c.tool == tool)


def _pin(row: Row[Any]) -> Pin:
    return Pin(
        row.server,
        row.tool,
        row.definition,
        row.first_seen_at,
        row.approved_at,
        row.changed_definition,
        row.changed_hash,
        row.changed_at,
    )
