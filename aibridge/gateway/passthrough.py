"""Allow-listed routes that are proxied without looking inside."""

from __future__ import annotations

import asyncio
import re

from starlette.types import Receive, Scope, Send

from aibridge.dialects.refusal import refusal, refusal_headers
from aibridge.dialects.responses.history import response_key, stored_id
from aibridge.errors import AibridgeError, UpstreamTimeout
from aibridge.gateway.credentials import choose_credential
from aibridge.gateway.crowd import Crowd
from aibridge.gateway.departure import departure_of
from aibridge.gateway.headers import first_values, refuse_control_characters
from aibridge.gateway.relay import ClientGone, Reply
from aibridge.gateway.request import headers_of, peer_of, read_body, refuse
from aibridge.gateway.services import Limits, Services, upstream_headers
from aibridge.model import Actor, DialectName, Head, Headers, Relay, Target
from aibridge.providers import Provider

_ID = re.compile(r"[A-Za-z0-9_-]+")
_STORED = re.compile(r"/responses/(?P<id>[^/]+)(?P<rest>(?:/.*)?)")


class Passthrough:
    """The endpoint of one provider's unread routes, as an ASGI application."""

    def __init__(
        self, services: Services, limits: Limits, crowd: Crowd, provider: Provider, total_seconds: float
    ) -> None:
        self._services = services
        self._limits = limits
        self._crowd = crowd
        self._provider = provider
        self._total_seconds = total_seconds
        self._dialect: DialectName = error_dialect(provider)

    async def serve(self, path: str, label: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Proxies to `path` behind the provider's base URL; `label` is the route's bounded name."""
        headers = headers_of(scope)
        watched = self._services.observer.passthrough(
            self._provider.name, label, scope["method"], scope["path"], headers
        )
        with watched:
            await self._serve(path, headers, scope, receive, send)

    async def _serve(self, path: str, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            refuse_control_characters(headers)
            identity = await self._services.identify(headers, peer_of(scope))
            self._crowd.claim(scope, identity.actor)
            credential = choose_credential(self._provider, identity.own)
            body = await read_body(first_values(headers), receive, self._limits.max_request_bytes)
            path = await self._as_known_upstream(path, identity.actor)
            self._services.budgets.admit(identity.actor, self._provider.name)
        except ClientGone:
            return
        except AibridgeError as error:
            await refuse(send, self._dialect, error, body=scope["method"] != "HEAD")
            return
        target = Target(
            self._provider.name,
            scope["method"],
            path,
            scope["query_string"],
            upstream_headers(self._services, self._provider, headers, identity.actor),
            credential,
        )
        await self._relay(target, body, Reply(send, departure_of(scope)))

    async def _as_known_upstream(self, path: str, actor: Actor) -> str:
        """The path, but a response of several rounds is known to the provider by the id of its last round."""
        stored = _STORED.fullmatch(path)
        if stored is None:
            return path
        turns = await self._services.recalls.of(actor, self._provider.name).find([response_key(stored["id"])])
        known = stored_id(turns[0]) if turns else ""
        return f"/responses/{known}{stored['rest']}" if _ID.fullmatch(known) else path

    async def _relay(self, target: Target, body: bytes, reply: Reply) -> None:
        try:
            async with reply.attended(), asyncio.timeout(self._total_seconds):
                async with self._services.upstreams.bind(target).open(body) as response:
                    await reply.stream(Head(response.status, response.headers))
                    async for data in response:
                        await reply(Relay(data))
                await reply.finish()
        except ClientGone:
            return
        except TimeoutError:
            await self._fail(
                reply, UpstreamTimeout(f"{target.provider} did not finish within {self._total_seconds:g} s")
            )
        except AibridgeError as error:
            await self._fail(reply, error)

    async def _fail(self, reply: Reply, error: AibridgeError) -> None:
        """Before the response has begun the client is told; afterwards a cut body is all that can tell it."""
        if reply.begun:
            raise error
        await reply(Head(error.status, refusal_headers(error)))
        await reply(Relay(refusal(self._dialect, error)))


def error_dialect(provider: Provider) -> DialectName:
    """In whose form a provider's clients read errors."""
    return "messages" if provider.kind.type == "anthropic" else "chat_completions"
