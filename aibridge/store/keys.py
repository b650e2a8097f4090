"""Gateway keys: made once and shown once, kept as their SHA-256, found by it, revoked."""

from __future__ import annotations

import hmac
import secrets
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.model import JSON, Role, new_id
from aibridge.store.clock import utc_now
from aibridge.store.engine import writing
from aibridge.store.tables import keys as table

PREFIX = "aib_"
"""How every gateway key begins."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_BYTES = 32
_SECRET_DIGITS = 43  # of base 62, which hold 32 bytes
_CHECK_DIGITS = 6  # which hold a CRC-32


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key."""

    id: str
    actor: str
    role: Role
    hash: bytes  # SHA-256 of the key
    hint: str
    metadata: Mapping[str, JSON]
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


def new_secret() -> str:
    """A key: `aib_`, 32 random bytes, and a checksum, so that what is mistyped or made up is refused unasked."""
    secret = PREFIX + _base62(secrets.token_bytes(_SECRET_BYTES), _SECRET_DIGITS)
    return secret + _checksum(secret.encode())


def is_well_formed(secret: bytes) -> bool:
    """Whether this may be a key of ours, as far as can be told without asking the database."""
    body, check = secret[:-_CHECK_DIGITS], secret[-_CHECK_DIGITS:]
    return len(secret) == len(PREFIX) + _SECRET_DIGITS + _CHECK_DIGITS and check == _checksum(body).encode()


def digest(secret: bytes) -> bytes:
    """What a key is kept and found by."""
    return sha256(secret).digest()


def hint_of(secret: str) -> str:
    """What people may see of a key: enough to know it by."""
    return f"{PREFIX}…{secret[-4:]}"


class Keys:
    """The table. Each method is one transaction and raises DBAPIError where the database fails."""

    def __init__(self, engine: AsyncEngine, now: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._now = now

    async def create(self, actor: str, role: Role = "user", metadata: Mapping[str, JSON] | None = None) -> str:
        """Makes a key and returns it; nobody can ever read it again."""
        secret, now = new_secret(), self._now()
        row = {
            "id": new_id(now),
            "actor": actor,
            "role": role,
            "hash": digest(secret.encode()).hex(),
            "hint": hint_of(secret),
            "metadata": dict(metadata or {}),
            "created_at": now,
        }
        async with writing(self._engine) as connection:
            await connection.execute(insert(table).values(row))
        return secret

    async def all(self) -> list[Key]:
        """Every key, revoked ones too, the oldest first."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(table).order_by(table.c.created_at, table.c.id))
            return [_key(row) for row in rows]

    async def find(self, hashed: bytes) -> Key | None:
        """The key with this digest, if it is there and good."""
        good = (table.c.hash == hashed.hex(), table.c.revoked_at.is_(None))
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(table).where(*good))).one_or_none()
        key = None if row is None else _key(row)
        # The look-up has compared already, by an index whose timing tells of a digest and not of a key.
        return key if key is not None and hmac.compare_digest(key.hash, hashed) else None

    async def named(self, name: str) -> list[Key]:
        """The good keys with this id or hint; the hint's last four characters will do."""
        named = or_(table.c.id == name, table.c.hint == name, table.c.hint == f"{PREFIX}…{name}")
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(table).where(named, table.c.revoked_at.is_(None)))
            return [_key(row) for row in rows]

    async def revoke(self, key_id: str) -> None:
        """From now on the key is good for nothing; gateways notice within five seconds."""
        async with writing(self._engine) as connection:
            revoked = update(table).where(table.c.id == key_id, table.c.revoked_at.is_(None))
            await connection.execute(revoked.values(revoked_at=self._now()))

    async def revoke_named(self, name: str) -> list[Key]:
        """Revokes the key that the name means, and returns all that it could mean: with several none is revoked."""
        found = await self.named(name)
        if len(found) == 1:
            await self.revoke(found[0].id)
        return found

    async def used(self, key_ids: Iterable[str], when: datetime) -> None:
        """Notes that these keys have been used."""
        async with writing(self._engine) as connection:
            later = or_(table.c.last_used_at.is_(None), table.c.last_used_at < when)
            await connection.execute(update(table).where(table.c.id.in_(key_ids), later).values(last_used_at=when))


def _key(row: Row[Any]) -> Key:
    fields = row._mapping  # SQLAlchemy's public name for it
    return Key(**{**fields, "hash": bytes.fromhex(fields["hash"]), "metadata": fields["metadata"] or {}})


def _checksum(text: bytes) -> str:
    return _base62(zlib.crc32(text).to_bytes(4, "big"), _CHECK_DIGITS)


def _base62(data: bytes, length: int) -> str:
    number, digits = int.from_bytes(data, "big"), []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
