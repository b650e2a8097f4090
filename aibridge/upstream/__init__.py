"""The way to the providers: one pooled client, honest timeouts, and errors that say what happened upstream."""

from aibridge.upstream.account import Account
from aibridge.upstream.breaker import BreakerSettings
from aibridge.upstream.client import UpstreamClient

__all__ = ["Account", "BreakerSettings", "UpstreamClient"]
