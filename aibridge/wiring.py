"""Settings, said in the words of each room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from aibridge import config
from aibridge.audit import Health, OfferedTool, ProviderHealth, ServerHealth, Sources
from aibridge.budgets import Limit
from aibridge.config import Settings
from aibridge.gateway.connection import ConnectionLimits
from aibridge.gateway.credentials import central_credentials
from aibridge.gateway.files import connections_for
from aibridge.gateway.services import Limits
from aibridge.pricing import OwnPrice
from aibridge.providers import DEFAULT_BASE_URLS, KINDS, Provider
from aibridge.recorder import Recorder
from aibridge.store.budgets import Account as BudgetAccount
from aibridge.telemetry import propagation
from aibridge.telemetry.metrics import Metrics
from aibridge.tools.pinning import Pins
from aibridge.tools.settings import ServerSettings, ToolSettings
from aibridge.tools.toolbox import ToolServers
from aibridge.upstream import Account, BreakerSettings, UpstreamClient
from aibridge.upstream.breakers import Circuit, Watch
from aibridge.upstream.connections import Connections
from aibridge.upstream.transport import AiohttpTransport
from aibridge.upstream.trust import system_authorities

MCP_KEEPALIVE_SECONDS = 4.0
"""How long an idle connection to an MCP server is kept: Node's and uvicorn's servers close theirs after five."""


def tool_servers(settings: Settings, pins: Pins | None = None, *, before: ToolServers | None = None) -> ToolServers:
    """The MCP servers of a configuration; those that were not among those `before` are not connected yet."""
    servers = [_server(name, one) for name, one in settings.mcp_servers.items() if not one.disabled]
    tools = settings.tools
    return ToolServers(
        servers,
        ToolSettings(tools.prefix, tools.parallel, tools.pinning, tools.max_result_chars),
        new_transport=lambda: AiohttpTransport(Connections(system_authorities(), keepalive=MCP_KEEPALIVE_SECONDS)),
        trace=propagation.tell,
        pins=pins,
        before=before,
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


def limits(settings: Settings) -> Limits:
    """What one interception may take."""
    return Limits(
        max_request_bytes=settings.server.max_request_bytes,
        keepalive_seconds=settings.server.keepalive_seconds,
        max_rounds=settings.tools.max_rounds,
        max_tools=settings.tools.max_tools,
        max_concurrent_requests=settings.server.max_concurrent_requests,
        max_concurrent_per_actor=settings.server.max_concurrent_per_actor,
    )


def connection_limits(server: config.Server) -> ConnectionLimits:
    """What a client's connection may hold, and how long it may take."""
    return ConnectionLimits(
        max_connections=connections_for(server.max_connections, server.max_concurrent_requests),
        max_header_bytes=server.max_header_bytes,
        header_seconds=server.header_seconds,
        body_seconds=server.body_seconds,
        idle_seconds=server.idle_seconds,
        slow_reader_seconds=server.slow_reader_seconds,
    )


def providers(settings: Settings) -> list[tuple[Provider, float]]:
    """Each with the seconds that one of its requests may take."""
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


def accounts(settings: Settings) -> list[Account]:
    """The providers, and how to reach them."""
    return [_account(name, one) for name, one in settings.providers.items()]


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


def price_list(settings: Settings) -> tuple[list[OwnPrice], dict[str, tuple[str, str]]]:
    """The operator's own prices, and whose hold else: each provider's type and address."""
    own = [OwnPrice(pattern, **one.model_dump()) for pattern, one in settings.prices.items()]
    return own, {
        name: (one.type, one.base_url or DEFAULT_BASE_URLS[one.type]) for name, one in settings.providers.items()
    }


def budget_limits(settings: Settings) -> list[Limit]:
    """What actors may use; money in millionths of a dollar."""
    return [_limit(name, one) for name, one in settings.limits.items()]


def _limit(name: str, one: config.Limit) -> Limit:
    whole = {"requests_per_minute": one.requests_per_minute, "tokens_per_minute": one.tokens_per_minute}
    money = {"dollars_per_day": one.dollars_per_day, "dollars_per_month": one.dollars_per_month}
    micros = {key: None if dollars is None else round(dollars * 1_000_000) for key, dollars in money.items()}
    most = {key: amount for key, amount in (whole | micros).items() if amount is not None}
    return Limit(name, most, one.actor, one.provider, one.model, one.per)


def limit_watch(metrics: Metrics) -> Callable[[BudgetAccount], None]:
    """Tells the metrics of what a limit refuses."""

    def refused(account: BudgetAccount) -> None:
        metrics.limit_refusals[account.limit, account.quantity] += 1

    return refused


def breaker_watch(metrics: Metrics) -> Watch:
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


def audit_sources(
    tools: Callable[[], ToolServers],
    upstreams: Callable[[], UpstreamClient],
    settings: Callable[[], Settings],
    recorder: Recorder,
) -> Sources:
    """What the audit pages show beside the records; all but the recorder may be others each time."""

    def offered() -> list[OfferedTool]:
        return [
            OfferedTool(
                one.server, one.raw_name, one.server_url, len(one.name) + len(one.description) + len(one.schema)
            )
            for one in tools().known()
        ]

    def health() -> Health:
        breakers: dict[str, list[tuple[str, str]]] = {}
        for circuit, state in upstreams().breakers():
            breakers.setdefault(circuit.provider, []).append((circuit.model or circuit.endpoint, state))
        providers = [
            ProviderHealth(name, one.type, one.base_url or DEFAULT_BASE_URLS[one.type], breakers.get(name, ()))
            for name, one in settings().providers.items()
        ]
        servers = [ServerHealth(one.server, one.state, one.reason, one.tools) for one in tools().states()]
        return Health(providers, servers, recorder.report())

    return Sources(offered, health)


def dumped(settings: Settings) -> dict[str, tuple[Provider, Path]]:
    """The providers whose rounds are written down, each with its directory."""
    return {name: (_provider(name, one), one.dump_dir) for name, one in settings.providers.items() if one.dump_dir}


def secrets(settings: Settings) -> Iterator[str]:
    """Whatever must never be seen."""
    for provider in settings.providers.values():
        yield from chain(provider.api_keys, provider.extra_headers.values())
    for server in settings.mcp_servers.values():
        yield from chain(server.headers.values(), server.env.values())
