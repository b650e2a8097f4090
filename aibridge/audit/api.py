"""`/api/v1/`: the records as JSON. A user sees their own, an auditor everybody's; what is another's does not exist."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from aibridge.audit import openapi
from aibridge.audit.asking import ask
from aibridge.audit.encoding import FORMATS, MEDIA_TYPES
from aibridge.audit.exports import KINDS, export
from aibridge.audit.queries import interceptions, keys, latency, sessions, timeline, usage
from aibridge.audit.queries.filters import Filters, parse
from aibridge.audit.queries.paging import Cursor, Page
from aibridge.audit.sources import Sources
from aibridge.audit.tools import tool_report
from aibridge.audit.viewer import Door
from aibridge.errors import AibridgeError, ClientError, NotFound

MOST = 500
"""Rows in one page at most."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of somebody who is known."""

    request: Request
    engine: AsyncEngine
    filters: Filters

    def page(self) -> dict[str, Any]:
        """`limit` and `cursor`. Raises ClientError for bad ones."""
        query = self.request.query_params
        limit, cursor = query.get("limit") or str(interceptions.LIMIT), query.get("cursor")
        if not limit.isdecimal() or not 1 <= int(limit) <= MOST:
            raise ClientError(f"limit is {limit!r}: use a number from 1 to {MOST}.", param="limit")
        return {"limit": int(limit), "after": Cursor.parse(cursor) if cursor else None}


Answer = Callable[[Asked], Awaitable[Any]]


class Api:
    """The routes of `/api/v1/`."""

    def __init__(self, engine: AsyncEngine, door: Door, sources: Sources, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._door = door
        self._sources = sources
        self._now = now
        answers: dict[str, Answer] = {
            "/interceptions": self._interceptions,
            "/interceptions/{id}": self._interception,
            "/sessions": self._sessions,
            "/usage": self._usage,
            "/tools": self._tools,
            "/keys": self._keys,
        }
        self.routes = [
            *(Route(openapi.PREFIX + path, self._endpoint(answer)) for path, answer in answers.items()),
            Route(openapi.PREFIX + "/export/{kind}", self._export),
            Route(openapi.PREFIX + "/openapi.json", self._document),
        ]
        handlers: Any = {AibridgeError: _refused, HTTPException: _no_route}
        self.app = Starlette(routes=self.routes, exception_handlers=handlers)

    def _endpoint(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            filters = await self._filters(request)
            return _json(await answer(Asked(request, self._engine, filters)))

        return endpoint

    async def _filters(self, request: Request) -> Filters:
        viewer = await self._door.viewer(request)
        return parse(request.query_params, self._now(), owner=viewer.owner)

    async def _interceptions(self, asked: Asked) -> Any:
        return _page(await ask(asked.engine, interceptions.page, asked.filters, **asked.page()))

    async def _interception(self, asked: Asked) -> Any:
        id_ = asked.request.path_params["id"]
        found = None if "\0" in id_ else await ask(asked.engine, interceptions.one, id_, asked.filters.owner)
        if found is None:
            raise NotFound(f"There is no interception {id_!r} among those that you may see.")
        events = await ask(asked.engine, timeline.events, [found["id"]])
        return {"interception": found, "events": events[found["id"]]}

    async def _sessions(self, asked: Asked) -> Any:
        return _page(await ask(asked.engine, sessions.page, asked.filters, **asked.page()))

    async def _usage(self, asked: Asked) -> Any:
        by = asked.request.query_params.get("by") or "day"
        if by not in usage.GROUPS:
            raise ClientError(f"by is {by!r}: use one of {', '.join(usage.GROUPS)}.", param="by")
        if by == "tool":
            return {"by": by, "data": await ask(asked.engine, usage.by_tool, asked.filters)}
        rows, times = await asyncio.gather(
            ask(asked.engine, usage.grouped, asked.filters, by), ask(asked.engine, latency.latencies, asked.filters, by)
        )
        rows = [row | latency.percentiles(times.get((row[by],), {})) for row in rows]
        return {"by": by, "data": sorted(rows, key=lambda row: row["day"]) if by == "day" else usage.ranked(rows)}

    async def _tools(self, asked: Asked) -> Any:
        return {"data": await ask(asked.engine, tool_report, asked.filters, self._sources)}

    async def _keys(self, asked: Asked) -> Any:
        return {"data": await ask(asked.engine, keys.every, asked.filters.owner)}

    async def _export(self, request: Request) -> Response:
        filters = await self._filters(request)
        kind, form = request.path_params["kind"], request.query_params.get("format") or "csv"
        if kind not in KINDS:
            raise NotFound(f"There is no export of {kind!r}: use one of {', '.join(KINDS)}.")
        if form not in FORMATS:
            raise ClientError(f"format is {form!r}: use one of {', '.join(FORMATS)}.", param="format")
        headers = {"content-disposition": f'attachment; filename="aibridge-{kind}.{form}"', **_HEADERS}
        body = export(self._engine, kind, filters, form)
        return StreamingResponse(body, media_type=MEDIA_TYPES[form], headers=headers)

    async def _document(self, request: Request) -> Response:
        await self._door.viewer(request)
        return _json(openapi.document())


_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, _HEADERS, "application/json")


def _page(page: Page) -> dict[str, Any]:
    return {"data": page.rows, "next": None if page.next is None else str(page.next)}


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, AibridgeError)  # noqa: S101  what this handler is registered for
    return _json({"error": {"message": error.message, "type": error.type, "param": error.param}}, error.status)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    message = f"{request.method} {request.url.path} is no route of this API: see {openapi.PREFIX}/openapi.json."
    return _json({"error": {"message": message, "type": "bad_request", "param": None}}, error.status_code)
