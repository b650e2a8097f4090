"""Whose key goes upstream: the provider's own, or the caller's."""

from __future__ import annotations

from functools import lru_cache

from aibridge.errors import Unauthorized
from aibridge.gateway.identity import mask
from aibridge.model import Credential
from aibridge.providers import Provider


def choose_credential(provider: Provider, own: Credential | None) -> Credential:
    """Follows `providers.x.byok`. Raises Unauthorized where there is no key at all."""
    central = _central(provider)
    if provider.byok == "never":
        chosen = central
    elif provider.byok == "prefer":
        chosen = own or central
    else:
        chosen = central or own
    if chosen is None:
        raise Unauthorized(f"There is no key for {provider.name}: {_remedy(provider)}.", code="invalid_api_key")
    return chosen


def central_credentials(provider: Provider) -> tuple[Credential, ...]:
    """The provider's own keys, the preferred one first: it is the one chosen, and the others may stand in for it."""
    return tuple(_credential(provider.kind.auth_header, key) for key in provider.api_keys)


def _central(provider: Provider) -> Credential | None:
    return _credential(provider.kind.auth_header, provider.api_keys[0]) if provider.api_keys else None


@lru_cache
def _credential(header: bytes, key: str) -> Credential:
    value = f"Bearer {key}" if header == b"authorization" else key
    return Credential("centralized", (header, value.encode()), mask(key))


def _remedy(provider: Provider) -> str:
    configure = f"set providers.{provider.name}.api_keys"
    return configure if provider.byok == "never" else f"{configure}, or send your own as 'Authorization: Bearer …'"
