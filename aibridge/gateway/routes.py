"""Which endpoint a path means. Paths are matched as they came, undecoded, so that no encoding hides another path."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable, Mapping, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from aibridge.errors import ClientError, NotFound, Unavailable
from aibridge.gateway.crowd import Crowd
from aibridge.gateway.headers import first, first_values
from aibridge.gateway.intercept import Intercept
from aibridge.gateway.passthrough import Passthrough, error_dialect
from aibridge.gateway.request import headers_of, refuse
from aibridge.gateway.services import Limits, Services
from aibridge.model import DialectName
from aibridge.providers import Passthrough as Allowed
from aibridge.providers import Provider

_STOPPING = Unavailable("aibridge is stopping: ask again", retry_after=1)

_PLAIN = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~:@!$&'()*+,=-]+)+/?")


class Gateway:
    """The outermost ASGI application: intercepted routes, passed-through routes, pages of our own, and else 404."""

    def __init__(
        self,
        services: Services,
        limits: Limits,
        providers: Sequence[tuple[Provider, float]],
        pages: Mapping[str, ASGIApp],
        crowd: Crowd | None = None,
    ) -> None:
        """`providers`: each with the seconds that one of its requests may take. The first of a type has aliases.

        `crowd`: all requests at a time, those of other gateways too; without it, its own. `pages` of our own, by their
        path; one that ends in a slash stands for all paths below it.
        """
        self._pages = pages
        self._prefixes = tuple(path for path in pages if path.endswith("/"))
        self._stopping = False
        self._crowd = crowd or Crowd(limits.max_concurrent_requests, limits.max_concurrent_per_actor)
        self._intercepts: dict[str, Intercept] = {}
        self._passthroughs: dict[str, tuple[Provider, Passthrough]] = {}
        self._aliased: dict[str, tuple[Provider, Passthrough]] = {}  # by type
        for provider, seconds in providers:
            served = (provider, Passthrough(services, limits, self._crowd, provider, seconds))
            self._passthroughs[provider.name] = served
            first = provider.kind.aliased and self._aliased.setdefault(provider.kind.type, served) is served
            for route in provider.kind.intercepted:
                endpoint = Intercept(services, limits, self._crowd, provider, route, seconds)
                self._intercepts[f"/{provider.name}{route.path}"] = endpoint
                if first:
                    self._intercepts[route.path] = endpoint

    def stop(self) -> None:
        """From now on nothing is begun; our own pages are still served."""
        self._stopping = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            raise ValueError(f"this server serves HTTP alone, not {scope['type']}")
        path = scope["raw_path"].decode("latin-1")
        if path in self._pages:
            await self._pages[path](scope, receive, send)
            return
        if path.startswith(self._prefixes):
            await self._below(path)(scope, receive, send)
            return
        refused = _STOPPING if self._stopping else self._crowd.enter()
        if refused is not None:
            await refuse(send, self._dialect(path), refused, body=scope["method"] != "HEAD")
            return
        try:
            await self._serve(path, scope, receive, send)
        finally:
            self._crowd.leave(scope)

    def _serve(self, path: str, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        intercept = self._intercepts.get(path)
        if intercept is not None and scope["method"] == "POST":
            return intercept(scope, receive, send)
        return self._other(path, scope, receive, send)

    def _below(self, path: str) -> ASGIApp:
        return next(self._pages[prefix] for prefix in self._prefixes if path.startswith(prefix))

    async def _other(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        found = self._find(path, method) if _PLAIN.fullmatch(path) else None
        if found is not None:
            passthrough, allowed, rest = found
            await passthrough.serve(rest.removeprefix(allowed.strip), allowed.label, scope, receive, send)
            return
        error = _upgrade_refused() if path in self._intercepts and _wants_upgrade(scope) else _refused(method, path)
        await refuse(send, self._dialect(path), error, body=method != "HEAD")

    def _find(self, path: str, method: str) -> tuple[Passthrough, Allowed, str] | None:
        """The passthrough that a path means, by which rule, and the path without the provider's name."""
        name, rest = _split(path)
        if name in self._passthroughs:
            candidates: Iterable[tuple[Provider, Passthrough]] = [self._passthroughs[name]]
        else:
            candidates, rest = self._aliased.values(), path
        for provider, passthrough in candidates:
            for allowed in provider.kind.passthrough:
                if method in allowed.methods and allowed.pattern.fullmatch(rest):
                    return passthrough, allowed, rest
        return None

    def _dialect(self, path: str) -> DialectName:
        name, _ = _split(path)
        if name in self._passthroughs:
            return error_dialect(self._passthroughs[name][0])
        return "messages" if path.startswith("/v1/messages") else "chat_completions"


def _wants_upgrade(scope: Scope) -> bool:
    return first(first_values(headers_of(scope)), b"upgrade") is not None


def _upgrade_refused() -> ClientError:
    """Clients that try a WebSocket first take this to mean plain HTTP."""
    message = "WebSockets are not served here: POST the same request over HTTP."
    return ClientError(message, status=426, code="upgrade_required")


def _refused(method: str, path: str) -> ClientError:
    if path == "/" or _PLAIN.fullmatch(path):
        return NotFound(f"There is no route {method} {path}.", code="not_found")
    return ClientError("The path holds an encoded or empty segment, which no route of this gateway has.")


def _split(path: str) -> tuple[str, str]:
    name, _, rest = path[1:].partition("/")
    return name, f"/{rest}"
