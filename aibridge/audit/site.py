"""`/ui/`: the routes of the pages, who may see them, and how a browser signs in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aibridge.audit import forms, render, views
from aibridge.audit.queries.filters import parse
from aibridge.audit.sources import Sources
from aibridge.audit.viewer import SESSION_COOKIE, SESSION_SECONDS, Door, Viewer
from aibridge.errors import AibridgeError, NotFound, Unauthorized

Endpoint = Callable[[Request], Awaitable[Response]]

PAGES: dict[str, tuple[str, views.View]] = {
    "/ui/": ("overview.html", views.overview),
    "/ui/sessions": ("sessions.html", views.session_list),
    "/ui/session": ("session.html", views.one_session),
    "/ui/log": ("log.html", views.request_log),
    "/ui/interceptions/{id}": ("interception.html", views.one_interception),
    "/ui/tools": ("tools.html", views.tools),
    "/ui/keys": ("keys.html", views.key_list),
    "/ui/health": ("health.html", views.health),
}
"""What is served, by which template, from which view."""


class Site:
    """The pages, as one application."""

    def __init__(self, engine: AsyncEngine, door: Door, sources: Sources, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._door = door
        self._sources = sources
        self._now = now
        self._assets = render.Assets()
        self._templates = render.templates(self._assets)
        pages = [Route(path, self._page(template, view)) for path, (template, view) in PAGES.items()]
        own = [
            Route("/ui", _to_overview),
            Route("/ui/sign-in", self._ask_to_sign_in),
            Route("/ui/sign-in", self._sign_in, methods=["POST"]),
            Route("/ui/sign-out", self._sign_out, methods=["POST"]),
            Route("/ui/static/{name}", self._static),
        ]
        handlers: Any = {AibridgeError: self._refused, HTTPException: self._no_page}
        self.app = Starlette(routes=[*pages, *own], exception_handlers=handlers)

    def _page(self, template: str, view: views.View) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            viewer = await self._door.viewer(request)
            now = self._now()
            filters = parse(request.query_params, now, owner=viewer.owner)
            found = await view(views.Asked(request, self._engine, filters, now, self._sources))
            return self._shown(request, template, viewer, {"filters": filters, **found})

        return endpoint

    def _shown(
        self, request: Request, template: str, viewer: Viewer | None, found: dict[str, Any], status: int = 200
    ) -> Response:
        token = forms.csrf_token(request)
        context = {"path": request.url.path, "query": request.query_params, "viewer": viewer, "now": self._now()}
        response = render.page(self._templates, template, context | {"csrf": token} | found, status)
        forms.remember(request, response, token)
        return response

    async def _ask_to_sign_in(self, request: Request) -> Response:
        try:
            await self._door.viewer(request)
        except Unauthorized:
            return self._sign_in_form(request, forms.own_path(request.query_params.get("next", "")), status=200)
        return RedirectResponse("/ui/", 303)

    async def _sign_in(self, request: Request) -> Response:
        given = await forms.fields(request)
        target = forms.own_path(given.get("next", ""))
        try:
            session = await self._door.session(request, given.get("key", ""))
        except Unauthorized as error:
            return self._sign_in_form(request, target, error.message)
        response = RedirectResponse(target, 303)
        response.set_cookie(
            SESSION_COOKIE, session, SESSION_SECONDS, httponly=True, samesite="lax", secure=forms.is_secure(request)
        )
        return response

    def _sign_in_form(self, request: Request, target: str, wrong: str | None = None, status: int = 401) -> Response:
        return self._shown(request, "sign_in.html", None, {"target": target, "wrong": wrong}, status)

    async def _sign_out(self, request: Request) -> Response:
        await forms.fields(request)
        response = RedirectResponse("/ui/sign-in", 303)
        response.delete_cookie(SESSION_COOKIE)
        return response

    async def _static(self, request: Request) -> Response:
        found = self._assets.response(request.path_params["name"])
        if found is None:
            raise NotFound("There is no such file.")
        return found

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, AibridgeError)  # noqa: S101  what this handler is registered for
        if isinstance(error, Unauthorized):
            query = f"?{request.url.query}" if request.url.query else ""
            return self._sign_in_form(request, forms.own_path(request.url.path + query))
        return self._shown(request, "error.html", None, {"message": error.message}, error.status)

    async def _no_page(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        return self._shown(request, "error.html", None, {"message": "There is no such page."}, error.status_code)


async def _to_overview(_: Request) -> Response:
    return RedirectResponse("/ui/", 308)
