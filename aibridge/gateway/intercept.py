"""One intercepted route: identify, open the exchange, recall, record the start, run the loop, relay, record the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from msgspec import Struct
from starlette.types import Receive, Scope, Send

from aibridge.deadline import Deadline
from aibridge.dialects.base import Exchange
from aibridge.dialects.chat_completions import ChatCompletions
from aibridge.dialects.messages import Messages
from aibridge.dialects.responses import Responses
from aibridge.errors import AibridgeError, Unavailable, UpstreamTimeout
from aibridge.gateway.clients import client_of
from aibridge.gateway.connection import why_gone
from aibridge.gateway.credentials import choose_credential
from aibridge.gateway.crowd import Crowd
from aibridge.gateway.departure import departure_of
from aibridge.gateway.headers import Values, first, first_values, refuse_control_characters
from aibridge.gateway.relay import ClientGone, Reply
from aibridge.gateway.request import headers_of, peer_of, read_body, refuse
from aibridge.gateway.services import Limits, Services, upstream_headers
from aibridge.loop import Loop
from aibridge.model import Actor, Credential, DialectName, Headers, Interception, Outcome, Target, new_id
from aibridge.ports import Recall, Sight, Toolbox
from aibridge.providers import Intercepted, Provider

logger = logging.getLogger(__name__)

DIALECTS: Final[Mapping[DialectName, Callable[..., Exchange]]] = {
    "chat_completions": ChatCompletions,
    "responses": Responses,
    "messages": Messages,
}
"""What opens an exchange, by its dialect."""


class Intercept:
    """The endpoint of one provider's route, as an ASGI application."""

    def __init__(
        self,
        services: Services,
        limits: Limits,
        crowd: Crowd,
        provider: Provider,
        route: Intercepted,
        total_seconds: float,
    ) -> None:
        self._services = services
        self._limits = limits
        self._crowd = crowd
        self._provider = provider
        self._route = route
        self._total_seconds = total_seconds
        self._told_of_cut = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        interception_id = new_id(self._services.now())
        headers = headers_of(scope)
        with self._services.observer.intercept(interception_id, scope["path"], headers) as sight:
            try:
                with sight.step("CreateInterceptor"):
                    turn = await self._open(interception_id, headers, scope, receive, sight)
            except ClientGone:
                return
            except AibridgeError as error:
                await refuse(send, self._route.dialect, error)
                return
            with sight.step("ProcessRequest"):
                await self._run(turn, self._reply(turn, scope, send, sight), scope)

    def _reply(self, turn: _Turn, scope: Scope, send: Send, sight: Sight) -> Reply:
        return Reply(
            send,
            departure_of(scope),
            extra=((b"x-aibridge-interception-id", turn.interception.id.encode()),),
            keepalive=turn.exchange.keepalive,
            every=self._limits.keepalive_seconds,
            answering=sight.answering,
        )

    async def _open(
        self, interception_id: str, headers: Headers, scope: Scope, receive: Receive, sight: Sight
    ) -> _Turn:
        """All that may refuse the request: nothing has gone upstream, and no interception is made of a refusal."""
        refuse_control_characters(headers)
        values = first_values(headers)
        identity = await self._services.identify(headers, peer_of(scope))
        self._crowd.claim(scope, identity.actor)
        credential = choose_credential(self._provider, identity.own)
        with sight.waiting():
            body = await read_body(values, receive, self._limits.max_request_bytes)
        toolbox = self._services.toolboxes.offer(identity.actor, first(values, b"x-aibridge-tools") or "")
        opens, max_tools = DIALECTS[self._route.dialect], self._limits.max_tools
        exchange = opens(body, id=interception_id, tools=toolbox.tools, max_tools=max_tools)
        self._tell_of_cut(exchange.left_out)
        recall = self._services.recalls.of(identity.actor, self._provider.name)
        if first(values, b"x-aibridge-recall") != "off" and (keys := exchange.lookups()):
            exchange.restore(await recall.find(keys))
        interception = self._interception(scope, values, identity.actor, credential, exchange)
        await self._services.recorder.start(interception)
        target = self._target(scope, headers, identity.actor, credential, exchange.model)
        return _Turn(exchange, target, toolbox, recall, interception)

    def _tell_of_cut(self, left_out: int) -> None:
        """Once, and not with every request."""
        if left_out and not self._told_of_cut:
            self._told_of_cut = True
            most = self._limits.max_tools
            logger.warning("%d injected tools are left out: a request holds %d (tools.max_tools)", left_out, most)

    async def _run(self, turn: _Turn, reply: Reply, scope: Scope) -> None:
        """Runs the turn to whatever end, and records that end come what may."""
        services, interception = self._services, turn.interception
        emit = partial(services.recorder.record, interception)
        budget = services.budgets.of(interception)
        upstream = budget.upstream(services.upstreams.bind(turn.target))
        loop = Loop(turn.exchange, upstream, turn.toolbox, turn.recall, send=reply, emit=budget.emit(emit))
        gone = False
        try:
            async with reply.attended():
                await self._play(loop)
                await reply.finish()
        except ClientGone:
            gone = True
            await asyncio.shield(loop.abandon())
        except asyncio.CancelledError:
            await asyncio.shield(_stop(loop, reply))
            raise
        finally:
            budget.end()
            outcome = _cancelled(turn.exchange, why_gone(scope)) if gone else turn.exchange.outcome
            if outcome.status == "failed":
                logger.warning("an interception failed: %s: %.200s", outcome.error_type, outcome.error_message)
            await services.recorder.finish(interception, outcome)  # never waits, so nothing can cancel it

    async def _play(self, loop: Loop) -> None:
        try:
            with Deadline(self._total_seconds):
                await loop.run(self._limits.max_rounds)
        except TimeoutError:
            name, seconds = self._provider.name, self._total_seconds
            await loop.fail(UpstreamTimeout(f"{name} did not finish within {seconds:g} s"))
        except Exception:
            logger.exception("an interception failed by a fault of ours")
            await loop.fail(AibridgeError("aibridge failed on this request; its log says why"))

    def _target(self, scope: Scope, headers: Headers, actor: Actor, credential: Credential, model: str) -> Target:
        return Target(
            provider=self._provider.name,
            method="POST",
            path=self._route.upstream_path,
            query=scope["query_string"],
            headers=upstream_headers(self._services, self._provider, headers, actor),
            credential=credential,
            model=model,
        )

    def _interception(
        self, scope: Scope, values: Values, actor: Actor, credential: Credential, exchange: Exchange
    ) -> Interception:
        client, session = client_of(values)
        return Interception(
            id=exchange.id,
            actor=actor,
            provider=self._provider.kind.type,
            provider_name=self._provider.name,
            dialect=self._route.dialect,
            method=scope["method"],
            route=scope["path"],
            model=exchange.model,
            streaming=exchange.streaming,
            client=client,
            started_at=self._services.now(),
            user_agent=first(values, b"user-agent"),
            session_id=session or exchange.session_id,
            correlating_tool_call_id=exchange.correlating_tool_call_id,
            credential_kind=credential.kind,
            credential_hint=credential.hint,
            metadata={"hidden_turns": exchange.recalled} if exchange.recalled else {},
        )


class _Turn(Struct, frozen=True):
    """What one interception runs on."""

    exchange: Exchange
    target: Target
    toolbox: Toolbox
    recall: Recall
    interception: Interception


async def _stop(loop: Loop, reply: Reply) -> None:
    """The gateway stops in the middle of a turn: the client is told in its stream."""
    await loop.fail(Unavailable("aibridge is stopping: ask again"))
    await reply.finish()


def _cancelled(exchange: Exchange, why: str) -> Outcome:
    return Outcome("cancelled", exchange.rounds, "cancelled", why)
