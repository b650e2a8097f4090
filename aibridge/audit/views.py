"""What each page shows, as values for its template."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from aibridge.audit import formats
from aibridge.audit.asking import ask
from aibridge.audit.charts import Chart, Unit, begun, chart, filled
from aibridge.audit.queries import interceptions, keys, latency, sessions, timeline, usage
from aibridge.audit.queries.filters import NAMES, STATUSES, Filters
from aibridge.audit.queries.paging import Cursor, Page, Row
from aibridge.audit.sources import Sources
from aibridge.audit.tools import tool_report
from aibridge.errors import NotFound
from aibridge.store.tables import TOTALS


@dataclass(frozen=True, slots=True)
class Window:
    """So many days or hours, the present one among them."""

    label: str
    unit: Unit
    units: int

    @property
    def length(self) -> timedelta:
        """Of one of them."""
        return timedelta(days=1) if self.unit == "day" else timedelta(hours=1)


WINDOW = "7d"
"""How far back a page looks that adds things up, unless it is told."""

WINDOWS = {
    "24h": Window("24 hours", "hour", 24),
    "7d": Window("7 days", "day", 7),
    "30d": Window("30 days", "day", 30),
    "90d": Window("90 days", "day", 90),
}
_TOP = 6
_TOPS = ("actor", "model", "client")
_TOP_SESSION = 200  # interceptions of one session on its page


@dataclass(frozen=True, slots=True)
class Asked:
    """A page that somebody asked for."""

    request: Request
    engine: AsyncEngine
    filters: Filters  # with what the viewer may see
    now: datetime
    sources: Sources

    @property
    def windowed(self) -> Filters:
        """The filters, with a beginning. A window of the list ends now and begins with a whole day or hour."""
        window = WINDOWS.get(self.request.query_params.get("since") or WINDOW)
        if window is None:
            return self.filters
        return replace(self.filters, since=begun(window.unit, self.now) - (window.units - 1) * window.length)

    @property
    def unit(self) -> Unit:
        """By what the course of a window is told."""
        since, until = self.windowed.since, min(self.filters.until or self.now, self.now)
        return "hour" if since is not None and until - since <= timedelta(days=2) else "day"

    @property
    def cursor(self) -> Cursor | None:
        """Where the page begins. Raises ClientError for a bad one."""
        given = self.request.query_params.get("cursor")
        return Cursor.parse(given) if given else None

    def link(self, **changes: str) -> str:
        """The address of this page with the same filters, and some of them changed."""
        given = {name: value for name, value in self.request.query_params.items() if name in NAMES and value}
        return f"{self.request.url.path}?{urlencode(given | changes)}"


View = Callable[[Asked], Awaitable[dict[str, Any]]]


async def overview(asked: Asked) -> dict[str, Any]:
    """Totals, their course, and who and what leads."""
    filters, unit = asked.windowed, asked.unit
    assert filters.since is not None  # noqa: S101  windowed
    found, times, tools = await asyncio.gather(
        ask(asked.engine, usage.by_each, filters, unit, *_TOPS),
        ask(asked.engine, latency.latencies, filters, unit),
        ask(asked.engine, usage.by_tool_name, filters),
    )
    course = [row | {"times": times.get((row[unit],), {})} for row in found[unit]]
    until = min(filters.until or asked.now, asked.now)
    return {
        "total": usage.total(course) | latency.percentiles(latency.together(times.values())),
        "people": len(found["actor"]),
        "charts": _charts(filled(course, unit, filters.since, until)) if course else [],
        "tops": {by: _with_shares(usage.ranked(found[by])[:_TOP]) for by in _TOPS},
        "tools": tools[:_TOP],
        **_window(asked),
    }


async def session_list(asked: Asked) -> dict[str, Any]:
    """Sessions, last used first."""
    found = await ask(asked.engine, sessions.page, asked.windowed, after=asked.cursor)
    return {"rows": found.rows, **_paging(asked, found), **_window(asked)}


async def one_session(asked: Asked) -> dict[str, Any]:
    """A session's interceptions in the order of their causes. Raises NotFound."""
    query = asked.request.query_params
    filters = Filters(owner=asked.filters.owner, session=query.get("id") or "", actor=query.get("actor") or None)
    found = await ask(asked.engine, interceptions.page, filters, limit=_TOP_SESSION)
    if not found.rows:
        raise NotFound("There is no such session among those that you may see.")
    rows = list(reversed(found.rows))
    events = await ask(asked.engine, timeline.events, [row["id"] for row in rows])
    return {"session": filters.session, "rows": rows, "events": events, "cut": found.next is not None,
            "total": _added(rows)}  # fmt: skip


async def request_log(asked: Asked) -> dict[str, Any]:
    """Interceptions, newest first, filtered by the address."""
    found = await ask(asked.engine, interceptions.page, asked.filters, after=asked.cursor)
    await ask(asked.engine, interceptions.add_snippets, found.rows)
    given = {name: asked.request.query_params.get(name, "") for name in NAMES}
    return {"rows": found.rows, "given": given, "statuses": STATUSES, "export": urlencode({k: v for k, v in
            given.items() if v}), **_paging(asked, found)}  # fmt: skip


async def one_interception(asked: Asked) -> dict[str, Any]:
    """An interception and its timeline. Raises NotFound."""
    id_ = asked.request.path_params["id"].replace("\0", "")
    row = await ask(asked.engine, interceptions.one, id_, asked.filters.owner)
    if row is None:
        raise NotFound("There is no such interception among those that you may see.")
    return {"row": row, "events": await ask(asked.engine, timeline.events, [row["id"]])}


async def tools(asked: Asked) -> dict[str, Any]:
    """Tools, what they weigh and how often they are called."""
    rows = await ask(asked.engine, tool_report, asked.windowed, asked.sources)
    injected = [row for row in rows if row["schema_tokens"] is not None]
    dead = [row for row in injected if not row["calls"]]
    weights = {name: sum(row["schema_tokens"] for row in of) for name, of in (("all", injected), ("dead", dead))}
    changed = [row for row in rows if row["state"] in ("changed", "withheld")]
    return {"rows": rows, "injected": injected, "dead": dead, "changed": changed, "weights": weights, **_window(asked)}


async def key_list(asked: Asked) -> dict[str, Any]:
    """Gateway keys."""
    return {"rows": await ask(asked.engine, keys.every, asked.filters.owner)}


async def health(asked: Asked) -> dict[str, Any]:
    """How providers and MCP servers are, and how the last hour's requests went."""
    last_hour = Filters(owner=asked.filters.owner, since=asked.now - timedelta(hours=1))
    rows, times = await asyncio.gather(
        ask(asked.engine, usage.grouped, last_hour, "provider"),
        ask(asked.engine, latency.latencies, last_hour, "provider"),
    )
    used = {row["provider"]: row | latency.percentiles(times.get((row["provider"],), {})) for row in rows}
    return {"health": asked.sources.health(), "usage": used}


def _charts(rows: list[Row]) -> list[Chart]:
    return [
        chart("cost", "Cost", rows, {"Cost": lambda row: row["cost_micros"]}, formats.money),
        chart("tokens", "Tokens", rows, {
            "Output": lambda row: row["output_tokens"],
            "Input": lambda row: row["input_tokens"] + row["cache_write_input_tokens"],
            "Cached input": lambda row: row["cache_read_input_tokens"],
        }, formats.compact),
        chart("requests", "Requests", rows, {
            "Good": lambda row: row["requests"] - row["failed"],
            "Failed": lambda row: row["failed"],
        }, formats.compact),
        chart("latency", "Duration", rows, {
            "Half within": lambda row: latency.percentile(row["times"], 0.5) or 0,
            "95 % within": lambda row: latency.percentile(row["times"], 0.95) or 0,
        }, formats.duration, stacked=False),
    ]  # fmt: skip


def _with_shares(rows: list[Row]) -> list[Row]:
    """Each with its `share` of the first one's cost, or where nothing is priced of the most tokens: 0 to 100."""
    for measure in (lambda row: row["cost_micros"], usage.tokens_of, lambda row: row["requests"]):
        most = max(map(measure, rows), default=0)
        if most:
            return [{**row, "share": round(100 * measure(row) / most, 1)} for row in rows]
    return rows


def _window(asked: Asked) -> dict[str, Any]:
    given = asked.request.query_params.get("since") or WINDOW
    links = [(window.label, asked.link(since=age), age == given) for age, window in WINDOWS.items()]
    since = asked.windowed.since
    return {
        "windows": links,
        "window": f"the last {WINDOWS[given].label}" if given in WINDOWS else f"the time since {given}",
        "since": "" if since is None else f"{since:%Y-%m-%dT%H:%M:%SZ}",
    }


def _paging(asked: Asked, page: Page) -> dict[str, Any]:
    older = None if page.next is None else asked.link(cursor=str(page.next))
    return {"older": older, "newest": asked.link() if asked.cursor else None}


def _added(rows: Iterable[Row]) -> Row:
    names = (*TOTALS, "tool_calls", "injected_calls")
    every = list(rows)
    return {name: sum(row[name] for row in every) for name in names}
