"""The composition root: the one module that knows every room. It turns settings into rooms and joins them."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from time import monotonic

import uvloop
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from aibridge import memory
from aibridge.audit import open_audit
from aibridge.budgets import open_budgets
from aibridge.config import Auth, Settings, Source
from aibridge.gateway.authentication import open_identify, withheld
from aibridge.gateway.health import Check, Readiness, Report, healthz
from aibridge.gateway.listening import listen, url_of
from aibridge.gateway.server import Server
from aibridge.gateway.services import Services
from aibridge.ports import Budgets, Identify, NoRecall, Recalls
from aibridge.pricing import Price, Prices
from aibridge.recall import open_recall
from aibridge.recorder import Recorder, open_recorder
from aibridge.reload import Reload, reloading
from aibridge.rooms import SETTLING_SECONDS, Furnish, Rooms
from aibridge.store.pins import open_pins
from aibridge.store.retention import keeping
from aibridge.telemetry import logs, tracing
from aibridge.telemetry.metrics import CONTENT_TYPE, Metrics
from aibridge.telemetry.observer import Telemetry
from aibridge.telemetry.redaction import Redactor
from aibridge.telemetry.watch import interception_id
from aibridge.tools.pinning import MemoryPins, Pins
from aibridge.tools.toolbox import ToolServers
from aibridge.upstream import UpstreamClient
from aibridge.upstream.dump import Dumps
from aibridge.wiring import (
    audit_sources,
    breaker_watch,
    budget_limits,
    connection_limits,
    dumped,
    limit_watch,
    price_list,
    secrets,
)

logger = logging.getLogger(__name__)

Scrape = Callable[[], Awaitable[bytes]]
"""What `/metrics` answers."""


@dataclass(frozen=True, slots=True)
class House:
    """A gateway whose rooms are open and whose socket listens."""

    server: Server
    listener: socket.socket
    rooms: Rooms
    recorder: Recorder
    metrics: Metrics
    reload: Reload

    @property
    def url(self) -> str:
        """Where it listens."""
        return url_of(self.listener)

    @property
    def tools(self) -> ToolServers:
        """The MCP servers of today."""
        return self.rooms.tools

    async def run(self, *, heeds_signals: bool = True) -> None:
        """Serves until it is told to stop."""
        await self.server.run_on(self.listener, heeds_signals=heeds_signals)


def serve(settings: Settings, source: Source) -> int:
    """Serves until a signal; the exit code. Raises ConfigError, StoreError or OSError where it cannot begin."""
    uvloop.run(_serve(settings, source, begin_log(settings)))
    return 0


def begin_log(settings: Settings, **facts: object) -> Redactor:
    """Has everything logged as the settings say, the facts in each entry. Returns what keeps secrets out of it."""
    redactor = Redactor(secrets(settings))
    logs.configure(settings.telemetry.log_level, settings.telemetry.log_format, redact=redactor, facts=facts)
    return redactor


async def _serve(settings: Settings, source: Source, redactor: Redactor) -> None:
    async with opened(settings, source=source, redactor=redactor) as house, memory.spared():
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, partial(house.reload.ask, aloud=True))
        logger.info("aibridge listens on %s", house.url)
        await house.run()
    logger.info("aibridge has stopped")


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
async def opened(
    settings: Settings,
    *,
    source: Source | None = None,
    redactor: Redactor | None = None,
    listener: socket.socket | None = None,
    scrape: Scrape | None = None,
) -> AsyncIterator[House]:
    """Opens every room, and closes them in the opposite order: the recorder last, when it has been told every end.

    `source`: where the settings are read again when they change; None: they don't. `redactor`: what keeps secrets out
    of the log already. `listener`, `scrape`: a worker's, which shares its socket and its metrics with others.
    """
    settings.check_served()
    redactor = redactor or Redactor(secrets(settings))
    async with AsyncExitStack() as stack:
        telemetry = _telemetry(settings, redactor)
        stack.push_async_callback(telemetry.close)
        prices = Prices(*price_list(settings))
        recorder = await stack.enter_async_context(_recorder(settings, telemetry.metrics, prices))
        await stack.enter_async_context(keeping(settings.recorder.url, settings.recorder.retention_days))
        telemetry.metrics.observe_recorder(lambda: recorder.queue_depth, lambda: recorder.spooled)
        refused, limits = limit_watch(telemetry.metrics), budget_limits(settings)
        budgets = await stack.enter_async_context(open_budgets(settings.recorder.url, limits, prices, refused=refused))
        identify = await stack.enter_async_context(open_identify(settings.auth, settings.recorder.url))
        recalls = await stack.enter_async_context(_recalls(settings, changing=source is not None))

        async def renew(newer: Settings) -> None:
            redactor.forget(secrets(newer))
            await rooms.renew(newer)
            prices.renew(*price_list(newer))
            await budgets.renew(budget_limits(newer))

        reload = Reload(
            settings,
            source.read if source else lambda: settings,
            renew,
            told=lambda good: telemetry.metrics.told_of_reload(good=good),
        )
        readiness = Readiness(
            {
                "recorder": _recorder_check(recorder),
                "mcp_servers": _tools_check(lambda: rooms.tools),
                "config": _config_check(reload),
            }
        )
        sources = audit_sources(lambda: rooms.tools, lambda: rooms.upstreams, lambda: reload.settings, recorder)
        audit = await stack.enter_async_context(open_audit(settings.recorder.url, identify, sources))
        pages = {**_pages(readiness, scrape or _own(telemetry.metrics)), **audit}
        dumps = Dumps(interception_id)
        stack.push_async_callback(dumps.aclose)
        furnish = _furnish(telemetry, recorder, recalls, identify, budgets, settings.auth, dumps)
        pins = await stack.enter_async_context(_pins(settings, changing=source is not None))
        rooms = Rooms(settings, furnish, pages, pins, watch=breaker_watch(telemetry.metrics))
        stack.push_async_callback(rooms.aclose)
        await rooms.start()
        if source is not None:
            await stack.enter_async_context(reloading(reload, source, watched=settings.server.watch_config))
        listener = listener or stack.enter_context(listen(settings.server.host, settings.server.port))

        def stop() -> None:
            readiness.stop()
            rooms.served.stop()

        grace = settings.server.shutdown_grace_seconds
        server = Server(rooms.served, grace_seconds=grace, on_stop=stop, limits=connection_limits(settings.server))
        yield House(server, listener, rooms, recorder, telemetry.metrics, reload)


@asynccontextmanager
async def _pins(settings: Settings, *, changing: bool) -> AsyncIterator[Pins]:
    """Where tools are pinned that are, or may once be, compared with what they were."""
    if not changing and (settings.tools.pinning == "off" or not settings.mcp_servers):
        yield MemoryPins()
        return
    async with open_pins(settings.recorder.url) as pins:
        yield pins


def _telemetry(settings: Settings, redactor: Redactor) -> Telemetry:
    telemetry = settings.telemetry
    traces = tracing.connect(telemetry.otlp_endpoint, redactor, capture_content=telemetry.capture_content)
    return Telemetry(Metrics(), traces)


def _recorder(settings: Settings, metrics: Metrics, price: Price) -> AbstractAsyncContextManager[Recorder]:
    one = settings.recorder
    return open_recorder(
        one.url,
        prompts=one.prompts,
        spool_dir=one.spool_dir,
        spool_max_bytes=one.spool_max_bytes,
        when_full=one.when_full,
        dropped=metrics.count_dropped,
        price=price,
    )


@asynccontextmanager
async def _recalls(settings: Settings, *, changing: bool) -> AsyncIterator[Recalls]:
    """Remembers where there is, or may once be, anything to hide: without MCP servers no turn has a hidden part."""
    recall = settings.recall
    if not recall.enabled or not (settings.mcp_servers or changing):
        yield NoRecall()
        return
    async with open_recall(
        settings.recorder.url, ttl_days=recall.ttl_days, max_bytes_per_turn=recall.max_bytes_per_turn
    ) as recalls:
        yield recalls


def _furnish(
    telemetry: Telemetry,
    recorder: Recorder,
    recalls: Recalls,
    identify: Identify,
    budgets: Budgets,
    auth: Auth,
    dumps: Dumps,
) -> Furnish:
    """What every gateway is given, whatever its upstreams and tools are."""
    watched = telemetry.recorder(recorder)

    def furnish(upstreams: UpstreamClient, tools: ToolServers, settings: Settings) -> Services:
        return Services(
            identify=identify,
            upstreams=telemetry.upstreams(dumps.of(upstreams, dumped(settings), secrets(settings))),
            toolboxes=telemetry.toolboxes(tools),
            recorder=watched,
            recalls=recalls if settings.mcp_servers else NoRecall(),  # else no turn has a hidden part
            observer=telemetry,
            now=lambda: datetime.now(UTC),
            budgets=budgets,
            withheld=withheld(auth),
        )

    return furnish


def _own(metrics: Metrics) -> Scrape:
    async def scrape() -> bytes:
        return metrics.render()[0]

    return scrape


def _pages(readiness: Readiness, scrape: Scrape) -> Mapping[str, ASGIApp]:
    async def metrics_page(_: Request) -> Response:
        return Response(await scrape(), media_type=CONTENT_TYPE)

    pages = {"/healthz": healthz, "/readyz": readiness.page, "/metrics": metrics_page}
    return {path: Route(path, page) for path, page in pages.items()}


def _config_check(reload: Reload) -> Check:
    async def check() -> Report:
        return Report(True, f"refused: {reload.fault}" if reload.fault else "ok")  # the old settings serve as well

    return check


def _recorder_check(recorder: Recorder) -> Check:
    async def check() -> Report:
        return Report(recorder.healthy(), recorder.report())

    return check


def _tools_check(tools: Callable[[], ToolServers]) -> Check:
    opened = monotonic()

    async def check() -> Report:
        states = tools().states()
        waited = monotonic() - opened >= SETTLING_SECONDS
        return Report(waited or all(one.state != "connecting" for one in states), [asdict(one) for one in states])

    return check
