"""What the gateway is given: the other rooms, behind their ports, and its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from aibridge.gateway.headers import actor_headers, forwardable
from aibridge.model import Actor, Headers
from aibridge.ports import Budgets, Identify, NoBudgets, Observer, Recalls, Recorder, Toolboxes, Upstreams
from aibridge.providers import Provider


@dataclass(frozen=True, slots=True)
class Limits:
    """What one interception may take, and how many there may be."""

    max_request_bytes: int
    keepalive_seconds: float
    max_rounds: int
    max_tools: int
    max_concurrent_requests: int = 2000
    max_concurrent_per_actor: int | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """What the gateway asks of the other rooms."""

    identify: Identify
    upstreams: Upstreams
    toolboxes: Toolboxes
    recorder: Recorder
    recalls: Recalls
    observer: Observer
    now: Callable[[], datetime]
    budgets: Budgets = field(default_factory=NoBudgets)
    withheld: frozenset[bytes] = frozenset()  # headers, besides the usual ones, that no provider sees


def upstream_headers(services: Services, provider: Provider, headers: Headers, actor: Actor) -> Headers:
    """What the provider is sent of the client's headers, and who asks, where it is to know that."""
    kept = forwardable(headers, services.withheld)
    return kept + actor_headers(actor) if provider.send_actor_headers else kept
