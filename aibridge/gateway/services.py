"""What the gateway is given: the other rooms, behind their ports, and its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aibridge.ports import Identify, Observer, Recalls, Recorder, Toolboxes, Upstreams


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
