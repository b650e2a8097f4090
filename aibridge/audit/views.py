"""What each page shows, as values for its template."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from aibridge.audit import formats
from aibridge.audit.charts import Chart, Unit, chart, filled
from aibridge.audit.queries import interceptions, keys, sessions, timeline, usage
from aibridge.audit.queries.filters import NAMES, STATUSES, Filters
from aibridge.audit.queries.paging import Cursor, Page, Row
from aibridge.audit.sources import Sources
from aibridge.audit.tools import tool_report
from aibridge.errors import NotFound

WINDOW = timedelta(days=7)
"""How far back a page looks that adds things up, unless it is told."""

WINDOWS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days"}
_TOP = 6
_CUBE = ("actor", "model", "client")
_TOP_SESSION = 200  # interceptions of one session on its page


@dataclass(frozen=True, slots=True)
class Asked:
    """A page that somebody asked for."""

    request: Request
    connection: AsyncConnection
    filters: Filters  # with what the viewer may see
    now: datetime
    sources: Sources

    @property
    def windowed(self) -> Filters:
        """The filters, with a beginning."""
        return self.filters.within(self.now, WINDOW)

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
    filters = asked.windowed
    assert filters.since is not None  # noqa: S101  windowed
    until = min(filters.until or asked.now, asked.now)
    unit: Unit = "hour" if until - filters.since <= timedelta(days=2) else "day"
    course, cube = await _course_and_cube(asked.connection, filters, unit, until)
    tops = {by: usage.rolled_up(cube, by)[:_TOP] for by in ("actor", "model", "client")}
    return {
        "total": usage.total(course),
        "people": len({row["actor"] for row in cube}),
        "charts": _charts(filled(course, unit, filters.since, until)) if course else [],
        "tops": {by: _with_shares(rows) for by, rows in tops.items()},
        "tools": (await usage.by_tool(asked.connection, filters))[:_TOP],
        **_window(asked),
    }


async def _course_and_cube(
    connection: AsyncConnection, filters: Filters, unit: Unit, until: datetime
) -> tuple[list[Row], list[Row]]:
    """Usage in time, and by whom and what. One question answers both, unless time would make too many rows of it."""
    if until - (filters.since or until) > WINDOW:
        course = await usage.grouped(connection, filters, unit)
        return course, await usage.grouped(connection, filters, *_CUBE)
    cube = await usage.grouped(connection, filters, unit, *_CUBE)
    return usage.rolled_up(cube, unit), cube


async def session_list(asked: Asked) -> dict[str, Any]:
    """Sessions, last used first."""
    found = await sessions.page(asked.connection, asked.windowed, after=asked.cursor)
    return {"rows": found.rows, **_paging(asked, found), **_window(asked)}


async def one_session(asked: Asked) -> dict[str, Any]:
    """A session's interceptions in the order of their causes. Raises NotFound."""
    query = asked.request.query_params
    filters = Filters(owner=asked.filters.owner, session=query.get("id") or "", actor=query.get("actor") or None)
    found = await interceptions.page(asked.connection, filters, limit=_TOP_SESSION)
    if not found.rows:
        raise NotFound("There is no such session among those that you may see.")
    rows = list(reversed(found.rows))
    events = await timeline.events(asked.connection, [row["id"] for row in rows])
    return {"session": filters.session, "rows": rows, "events": events, "cut": found.next is not None,
            "total": _added(rows)}  # fmt: skip


async def request_log(asked: Asked) -> dict[str, Any]:
    """Interceptions, newest first, filtered by the address."""
    found = await interceptions.page(asked.connection, asked.filters, after=asked.cursor)
    await interceptions.add_snippets(asked.connection, found.rows)
    given = {name: asked.request.query_params.get(name, "") for name in NAMES}
    return {"rows": found.rows, "given": given, "statuses": STATUSES, "export": urlencode({k: v for k, v in
            given.items() if v}), **_paging(asked, found)}  # fmt: skip


async def one_interception(asked: Asked) -> dict[str, Any]:
    """An interception and its timeline. Raises NotFound."""
    id_ = asked.request.path_params["id"].replace("\0", "")
    row = await interceptions.one(asked.connection, id_, asked.filters.owner)
    if row is None:
        raise NotFound("There is no such interception among those that you may see.")
    return {"row": row, "events": await timeline.events(asked.connection, [row["id"]])}


async def tools(asked: Asked) -> dict[str, Any]:
    """Tools, what they weigh and how often they are called."""
    rows = await tool_report(asked.connection, asked.windowed, asked.sources.tools())
    injected = [row for row in rows if row["state"] == "offered"]
    dead = [row for row in injected if not row["calls"]]
    weights = {name: sum(row["schema_tokens"] for row in of) for name, of in (("all", injected), ("dead", dead))}
    return {"rows": rows, "injected": injected, "dead": dead, "weights": weights, **_window(asked)}


async def key_list(asked: Asked) -> dict[str, Any]:
    """Gateway keys."""
    return {"rows": await keys.every(asked.connection, asked.filters.owner)}


async def health(asked: Asked) -> dict[str, Any]:
    """How providers and MCP servers are, and how the last hour's requests went."""
    last_hour = Filters(owner=asked.filters.owner, since=asked.now - timedelta(hours=1))
    rows = await usage.grouped(asked.connection, last_hour, "provider")
    return {"health": asked.sources.health(), "usage": {row["provider"]: row for row in rows}}


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
        chart("latency", "Mean duration", rows, {
            "Duration": lambda row: row["seconds"] / row["ended"] if row["ended"] else 0,
        }, formats.duration),
    ]  # fmt: skip


def _with_shares(rows: list[Row]) -> list[Row]:
    """Each with its `share` of the first one's cost, or where nothing is priced of the most tokens: 0 to 100."""
    for measure in (lambda row: row["cost_micros"], usage.tokens_of, lambda row: row["requests"]):
        most = max(map(measure, rows), default=0)
        if most:
            return [{**row, "share": round(100 * measure(row) / most, 1)} for row in rows]
    return rows


def _window(asked: Asked) -> dict[str, Any]:
    given = asked.request.query_params.get("since") or "7d"
    links = [(label, asked.link(since=age), age == given) for age, label in WINDOWS.items()]
    return {"windows": links, "window": WINDOWS.get(given, f"since {given}"), "since": given}


def _paging(asked: Asked, page: Page) -> dict[str, Any]:
    older = None if page.next is None else asked.link(cursor=str(page.next))
    return {"older": older, "newest": asked.link() if asked.cursor else None}


def _added(rows: Iterable[Row]) -> Row:
    names = (*interceptions.COUNTS, "unpriced", "tool_calls", "injected_calls")
    every = list(rows)
    return {name: sum(row[name] for row in every) for name in names}
