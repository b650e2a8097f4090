"""A provider and how to reach it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aibridge.model import Credential
from aibridge.providers import Provider
from aibridge.upstream.breaker import BreakerSettings


@dataclass(frozen=True, slots=True)
class Account:
    """A provider and how to reach it. Times are in seconds.

    `connect`: DNS, TCP and TLS together. `first_byte`: from the start of a request to the first byte of a body.
    `idle`: silence between two pieces of a body. `proxy`: an HTTP proxy's URL. `ca_file`: the only authorities to be
    trusted there, in place of this machine's. `retries`: how often a request is tried again before its first byte.
    `breaker`: when the provider is left alone; None: never. `credentials`: the keys that stand in for one another, in
    order of preference.
    """

    provider: Provider
    connect: float = 5.0
    first_byte: float = 300.0
    idle: float = 300.0
    proxy: str | None = field(default=None, repr=False)  # it may hold a password
    ca_file: Path | None = None
    retries: int = 0
    breaker: BreakerSettings | None = None
    credentials: Sequence[Credential] = ()
