"""The way to the providers: one pooled client, honest timeouts, and errors that say what happened upstream."""

from aibridge.upstream.client import Account, UpstreamClient

__all__ = ["Account", "UpstreamClient"]
