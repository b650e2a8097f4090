"""Who asks: here, whoever is on this machine."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from aibridge.errors import Forbidden, Unauthorized
from aibridge.gateway.headers import first, first_values
from aibridge.model import Actor, Credential, Headers
from aibridge.ports import Identity

_ANYBODY = Actor("anonymous")
_GATEWAY_KEY = b"aib_"  # ours: never a provider's


class Anonymous:
    """`auth.mode: none`: everyone on this machine, and nothing that a web page sends from elsewhere."""

    async def __call__(self, headers: Headers) -> Identity:
        """Raises Forbidden for a foreign Host or Origin, Unauthorized for credentials that contradict one another."""
        _refuse_foreign(headers)
        return Identity(_ANYBODY, own_credential(headers))


def own_credential(headers: Headers) -> Credential | None:
    """The provider key that the caller brought, in the header it came in. Raises Unauthorized."""
    found = [header for header in headers if header[0] in (b"authorization", b"x-api-key")]
    names = [name for name, _ in found]
    if len(names) != len(set(names)):
        raise Unauthorized("The request has the same credential header twice: send one key.")
    keys = {_key(header) for header in found}
    if len(keys) > 1:
        raise Unauthorized("'Authorization' and 'x-api-key' hold different keys: send one.")
    if not found or keys.pop().startswith(_GATEWAY_KEY):
        return None
    return Credential("byok", found[0], mask(_key(found[0]).decode("latin-1")))


def mask(key: str) -> str:
    """What of a key may be shown: enough to recognise it, too little to use it."""
    return f"{key[:3]}…{key[-4:]}" if len(key) >= 16 else "…"


def _key(header: tuple[bytes, bytes]) -> bytes:
    name, value = header
    if name == b"authorization":
        scheme, _, value = value.strip().partition(b" ")
        if scheme.lower() != b"bearer":
            raise Unauthorized("'Authorization' must be 'Bearer' and a key.")
    if not value.strip():
        raise Unauthorized(f"'{name.decode()}' holds no key.")
    return value.strip()


def _refuse_foreign(headers: Headers) -> None:
    values = first_values(headers)
    host = first(values, b"host") or ""
    if not _is_here(f"//{host}"):
        raise Forbidden(
            f"The Host header {host!r} is not this machine's: without authentication only loopback is served."
        )
    origin = first(values, b"origin")
    if origin is not None and not _is_here(origin):
        raise Forbidden(f"The Origin {origin!r} may not use this gateway: a web page could spend its keys.")


@lru_cache
def _is_here(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname)
    except ValueError:
        return False


def is_loopback(host: str | None) -> bool:
    """Whether a host's name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
