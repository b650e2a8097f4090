"""The composition root: the one module that knows every room. It turns settings into rooms and joins them."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from time import monotonic

import uvloop
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from aibridge import config
from aibridge.config import Settings
from aibridge.gateway.authentication import open_identify, withheld
from aibridge.gateway.connection import ConnectionLimits
from aibridge.gateway.credentials import central_credentials
from aibridge.gateway.files import connections_for
from aibridge.gateway.health import Check, Readiness, Report, healthz
from aibridge.gateway.routes import Gateway
from aibridge.gateway.server import Server, listen
from aibridge.gateway.services import Limits, Services
from aibridge.ports import NoRecall, Recalls
from aibridge.providers import DEFAULT_BASE_URLS, KINDS, Provider
from aibridge.recall import open_recall
from aibridge.recorder import Recorder, open_recorder
from aibridge.store.retention import keeping
from aibridge.telemetry import logs, tracing
from aibridge.telemetry.metrics import Metrics
from aibridge.telemetry.observer import Telemetry
from aibridge.telemetry.redaction import Redactor
from aibridge.tools.settings import ServerSettings, ToolSettings
from aibridge.tools.toolbox import ToolServers
from aibridge.upstream import Account, BreakerSettings, UpstreamClient
from aibridge.upstream.breakers import Circuit, Watch
from aibridge.upstream.transport import AiohttpTransport
from aibridge.upstream.trust import system_authorities

logger = logging.getLogger(__name__)

SETTLING_SECONDS = 10
"""How long `/readyz` waits for MCP servers that have neither connected nor failed."""


MCP_KEEPALIVE_SECONDS = 4.0
"""How long an idle connection to an MCP server is kept: Node's and uvicorn's servers close theirs after five."""


@dataclass(frozen=True, slots=True)
class House:
    """A gateway whose rooms are open and whose socket listens."""

    server: Server
    listener: socket.socket
    tools: ToolServers
    recorder: Recorder

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def run(self) -> None:
        """Serves until it is told to stop."""
        await self.server.run_on(self.listener)


def serve(settings: Settings) -> int:
    """Serves until a signal; the exit code. Raises ConfigError, StoreError or OSError where it cannot begin."""
    logs.configure(settings.telemetry.log_level, settings.telemetry.log_format, redact=_redactor(settings))
    uvloop.run(_serve(settings))
    return 0


async def _serve(settings: Settings) -> None:
    async with opened(settings) as house:
        _spare_the_collector()
        logger.info("aibridge listens on %s", house.url)
        await house.run()
    logger.info("aibridge has stopped")


def _spare_the_collector() -> None:
    """Keeps the garbage collector from what stays for good, and from looking too often at what is young.

    A full pass over all modules would hold up every stream for 0.2 s now and then. And Python's threshold, 700 new
    objects, is passed at nearly every request, for 4 % of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[House]:
    """A gateway that serves in this event loop while the block runs: for the demo and for tests."""
    async with opened(settings) as house:
        serving = asyncio.create_task(house.run())
        try:
            yield house
        finally:
            house.server.stop()
            await serving


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[House]:
    """Opens every room, and closes them in the opposite order: the recorder last, when it has been told every end."""
    settings.check_served()
    async with AsyncExitStack() as stack:
        telemetry = _telemetry(settings)
        stack.push_async_callback(telemetry.close)
        recorder = await stack.enter_async_context(_recorder(settings, telemetry.metrics))
        await stack.enter_async_context(keeping(settings.recorder.url, settings.recorder.retention_days))
        telemetry.metrics.observe_recorder(lambda: recorder.queue_depth, lambda: recorder.spooled)
        recalls = await stack.enter_async_context(_recalls(settings))
        upstreams = UpstreamClient(
            [_account(name, one) for name, one in settings.providers.items()],
            watch=_breaker_watch(telemetry.metrics),
        )
        stack.push_async_callback(upstreams.aclose)
        tools = await stack.enter_async_context(tool_servers(settings))
        services = Services(
            identify=await stack.enter_async_context(open_identify(settings.auth, settings.recorder.url)),
            upstreams=telemetry.upstreams(upstreams),
            toolboxes=telemetry.toolboxes(tools),
            recorder=telemetry.recorder(recorder),
            recalls=recalls,
            observer=telemetry,
            now=lambda: datetime.now(UTC),
            withheld=withheld(settings.auth),
        )
        readiness = Readiness({"recorder": _recorder_check(recorder), "mcp_servers": _tools_check(tools)})
        gateway = Gateway(services, _limits(settings), _providers(settings), _pages(readiness, telemetry.metrics))
        listener = stack.enter_context(listen(settings.server.host, settings.server.port))

        def stop() -> None:
            readiness.stop()
            gateway.stop()

        grace = settings.server.shutdown_grace_seconds
        server = Server(gateway, grace_seconds=grace, on_stop=stop, limits=_connection_limits(settings.server))
        yield House(server, listener, tools, recorder)


def tool_servers(settings: Settings) -> ToolServers:
    """The MCP servers of a configuration, not connected yet."""
    servers = [_server(name, one) for name, one in settings.mcp_servers.items() if not one.disabled]
    tools = settings.tools
    return ToolServers(
        servers,
        ToolSettings(tools.prefix, tools.parallel, tools.max_result_chars),
        new_transport=lambda: AiohttpTransport(system_authorities(), keepalive=MCP_KEEPALIVE_SECONDS),
    )


def _server(name: str, one: config.McpServer) -> ServerSettings:
    return ServerSettings(
        name,
        one.transport,
        url=one.url,
        headers=one.headers,
        command=one.command,
        args=one.args,
        env=one.env,
        allow=one.allow,
        deny=one.deny,
        timeout=one.timeout,
        actors=None if one.actors is None else frozenset(one.actors),
    )


def _telemetry(settings: Settings) -> Telemetry:
    telemetry = settings.telemetry
    traces = tracing.connect(telemetry.otlp_endpoint, _redactor(settings), capture_content=telemetry.capture_content)
    return Telemetry(Metrics(), traces)


def _recorder(settings: Settings, metrics: Metrics) -> AbstractAsyncContextManager[Recorder]:
    one = settings.recorder
    return open_recorder(
        one.url,
        prompts=one.prompts,
        spool_dir=one.spool_dir,
        spool_max_bytes=one.spool_max_bytes,
        when_full=one.when_full,
        dropped=metrics.count_dropped,
    )


@asynccontextmanager
async def _recalls(settings: Settings) -> AsyncIterator[Recalls]:
    """Remembers where there is anything to hide: without MCP servers no turn has a hidden part."""
    recall = settings.recall
    if not recall.enabled or not settings.mcp_servers:
        yield NoRecall()
        return
    async with open_recall(
        settings.recorder.url, ttl_days=recall.ttl_days, max_bytes_per_turn=recall.max_bytes_per_turn
    ) as recalls:
        yield recalls


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_request_bytes=settings.server.max_request_bytes,
        keepalive_seconds=settings.server.keepalive_seconds,
        max_rounds=settings.tools.max_rounds,
        max_tools=settings.tools.max_tools,
        max_concurrent_requests=settings.server.max_concurrent_requests,
        max_concurrent_per_actor=settings.server.max_concurrent_per_actor,
    )


def _connection_limits(server: config.Server) -> ConnectionLimits:
    return ConnectionLimits(
        max_connections=connections_for(server.max_connections, server.max_concurrent_requests),
        max_header_bytes=server.max_header_bytes,
        header_seconds=server.header_seconds,
        body_seconds=server.body_seconds,
        idle_seconds=server.idle_seconds,
        slow_reader_seconds=server.slow_reader_seconds,
    )


def _providers(settings: Settings) -> list[tuple[Provider, float]]:
    return [(_provider(name, one), one.timeouts.total) for name, one in settings.providers.items()]


def _provider(name: str, one: config.Provider) -> Provider:
    return Provider(
        name,
        KINDS[one.type],
        base_url=one.base_url or DEFAULT_BASE_URLS[one.type],
        api_keys=one.api_keys,
        byok=one.byok,
        extra_headers=one.extra_headers,
        send_actor_headers=one.send_actor_headers,
    )


def _account(name: str, one: config.Provider) -> Account:
    times, provider = one.timeouts, _provider(name, one)
    return Account(
        provider,
        connect=times.connect,
        first_byte=times.first_byte,
        idle=times.idle,
        proxy=one.proxy,
        ca_file=one.ca_file,
        retries=one.retries.max,
        breaker=_breaker(one.circuit_breaker),
        credentials=central_credentials(provider),
    )


def _breaker(one: config.CircuitBreaker | None) -> BreakerSettings | None:
    if one is None:
        return None
    return BreakerSettings(one.failure_threshold, one.interval, one.open, one.half_open_requests)


def _breaker_watch(metrics: Metrics) -> Watch:
    """Tells the metrics of the circuit breakers."""
    states = {"closed": 0, "half_open": 1, "open": 2}

    def watch(circuit: Circuit, event: str) -> None:
        labels = circuit.provider, circuit.endpoint, metrics.models(circuit.model)
        if event == "refused":
            metrics.breaker_rejects[labels] += 1
            return
        metrics.breaker_state[labels] = states[event]
        if event == "open":
            metrics.breaker_trips[labels] += 1

    return watch


def _redactor(settings: Settings) -> Redactor:
    """Masks every configured secret, wherever it turns up."""
    providers, servers = settings.providers.values(), settings.mcp_servers.values()
    redactor = Redactor(key for one in providers for key in (*one.api_keys, *one.extra_headers.values()))
    redactor.forget(value for one in servers for value in (*one.headers.values(), *one.env.values()))
    return redactor


def _pages(readiness: Readiness, metrics: Metrics) -> Mapping[str, ASGIApp]:
    async def metrics_page(_: Request) -> Response:
        body, content_type = metrics.render()
        return Response(body, media_type=content_type)

    pages = {"/healthz": healthz, "/readyz": readiness.page, "/metrics": metrics_page}
    return {path: Route(path, page) for path, page in pages.items()}


def _recorder_check(recorder: Recorder) -> Check:
    async def check() -> Report:
        return Report(recorder.healthy(), recorder.report())

    return check


def _tools_check(tools: ToolServers) -> Check:
    opened = monotonic()

    async def check() -> Report:
        states = tools.states()
        waited = monotonic() - opened >= SETTLING_SECONDS
        return Report(waited or all(one.state != "connecting" for one in states), [asdict(one) for one in states])

    return check
