"""Which interceptions are meant: what the addresses of pages, the API and the command line all say alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from sqlalchemy import ColumnElement, select

from aibridge.errors import ClientError
from aibridge.model import Status
from aibridge.store.tables import interceptions, tool_usages

STATUSES = (*get_args(Status), "open")
"""What `status` may be; `open`: it has not ended."""

NAMES = ("actor", "provider", "model", "client", "session", "status", "tool", "since", "until")
"""The filters, as they are spelt in an address."""

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}
_EQUAL = {
    "actor": interceptions.c.initiator_id,
    "provider": interceptions.c.provider_name,
    "model": interceptions.c.model,
    "client": interceptions.c.client,
    "session": interceptions.c.client_session_id,
}


@dataclass(frozen=True, slots=True)
class Filters:
    """All that are given must hold. `owner`: whose records may be seen at all; None for everybody's."""

    owner: str | None = None
    actor: str | None = None
    provider: str | None = None
    model: str | None = None
    client: str | None = None
    session: str | None = None
    status: str | None = None
    tool: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """What a row of `aibridge_interceptions` must fulfil. Every value is bound."""
        table = interceptions.c
        found = [column == getattr(self, name) for name, column in _EQUAL.items() if getattr(self, name) is not None]
        if self.owner is not None:
            found.append(table.initiator_id == self.owner)
        if self.status is not None:
            found.append(table.status.is_(None) if self.status == "open" else table.status == self.status)
        if self.since is not None:
            found.append(table.started_at >= self.since)
        if self.until is not None:
            found.append(table.started_at < self.until)
        if self.tool is not None:
            found.append(self._calls_the_tool())
        return found

    def _calls_the_tool(self) -> ColumnElement[bool]:
        calls = tool_usages.alias()  # whoever uses these conditions may ask for tool usages as well
        query = select(calls.c.id).where(calls.c.interception_id == interceptions.c.id, calls.c.tool == self.tool)
        return query.correlate(interceptions).exists()

    def only_in_time(self) -> bool:
        """Whether nothing but a time and a tool is asked for."""
        return self == Filters(tool=self.tool, since=self.since, until=self.until)

    def within(self, now: datetime, window: timedelta) -> Filters:
        """These, and nothing older than `window` where no beginning is given."""
        return self if self.since is not None else replace(self, since=now - window)


def parse(given: Mapping[str, str], now: datetime, *, owner: str | None = None) -> Filters:
    """The filters that an address asks for; empty ones ask for nothing. Raises ClientError for a bad value."""
    values: dict[str, Any] = {name: given[name] for name in NAMES if given.get(name)}
    for name in ("since", "until"):
        if name in values:
            values[name] = moment(name, values[name], now)
    if values.get("status", "open") not in STATUSES:
        raise ClientError(f"status is {values['status']!r}: use one of {', '.join(STATUSES)}.", param="status")
    if any("\0" in str(value) for value in values.values()):
        raise ClientError("A filter holds a NUL character, which no record does.")  # PostgreSQL takes none
    return Filters(owner=owner, **values)


def moment(name: str, text: str, now: datetime) -> datetime:
    """A time such as `2026-11-20`, `2026-11-20T07:00:00Z` (UTC where no zone is given), or `24h` and `7d` before now.

    Raises ClientError, which names the parameter.
    """
    try:
        if text[-1] in _UNITS and text[:-1].isdecimal():
            return now - int(text[:-1]) * _UNITS[text[-1]]
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        hint = "write a time such as 2026-11-20 or 2026-11-20T07:00:00Z, or an age such as 24h or 7d"
        raise ClientError(f"{name} is {text!r}: {hint}.", param=name) from None
