"""Who asks: whoever is on this machine, has a key, or is named by a proxy."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import get_args
from urllib.parse import urlsplit

from aibridge.errors import Forbidden, Unauthorized
from aibridge.gateway.headers import first, first_values
from aibridge.gateway.keyring import Keyring
from aibridge.model import Actor, Credential, Headers, Role
from aibridge.ports import Identity
from aibridge.store.keys import PREFIX, digest, is_well_formed

_ANYBODY = Actor("anonymous", role="admin")
_GATEWAY_KEY = PREFIX.encode()  # ours: never a provider's
_PROVIDERS = frozenset({b"authorization", b"x-api-key"})
_CREDENTIALS = _PROVIDERS | {b"x-aibridge-key"}
_NO_KEY = "A key of this gateway is needed: send it as 'Authorization: Bearer aib_…', 'x-api-key' or 'x-aibridge-key'."
_LONGEST_NAME = 256


class Anonymous:
    """`auth.mode: none`: everyone on this machine, and nothing that a web page sends from elsewhere."""

    async def __call__(self, headers: Headers, peer: str | None = None) -> Identity:
        """Raises Forbidden for a foreign Host or Origin, Unauthorized for credentials that contradict one another."""
        _refuse_foreign(headers)
        return Identity(_ANYBODY, own_credential(headers))


class ByKey:
    """`auth.mode: keys`: whoever has a key of the gateway's."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def __call__(self, headers: Headers, peer: str | None = None) -> Identity:
        """Raises Unauthorized without exactly one good key, Unavailable where the keys cannot be looked up."""
        key, own = brought(headers)
        if key is None:
            raise Unauthorized(_NO_KEY, code="invalid_api_key")
        hashed = digest(key)
        actor = self._keyring.known(hashed)
        if actor is None and is_well_formed(key):
            actor = await self._keyring.actor(hashed)
        if actor is None:
            raise Unauthorized("The gateway key is unknown or revoked: ask for a new one.", code="invalid_api_key")
        return Identity(actor, own)


class ByHeader:
    """`auth.mode: header`: whoever a trusted reverse proxy says they are."""

    def __init__(self, header: str, role_header: str | None, trusted_proxies: Sequence[str]) -> None:
        self._header = header.lower().encode()
        self._role_header = role_header.lower().encode() if role_header else None
        self._networks = [ipaddress.ip_network(network) for network in trusted_proxies]
        self._trusts = lru_cache(1024)(self._is_trusted)

    async def __call__(self, headers: Headers, peer: str | None = None) -> Identity:
        """Raises Forbidden for what comes from elsewhere or from a foreign page, Unauthorized without a user."""
        if peer is None or not self._trusts(peer):
            raise Forbidden("Only the proxies in auth.trusted_proxies may speak to this gateway.")
        _refuse_other_sites(headers)
        name = self._only(headers, self._header)
        if name is None:
            raise Unauthorized(f"The proxy has named no user in '{self._header.decode()}'.")
        role = self._only(headers, self._role_header) if self._role_header else None
        return Identity(Actor(name, role=_role(role or "user")), own_credential(headers))

    def _only(self, headers: Headers, wanted: bytes) -> str | None:
        values = [value for name, value in headers if name == wanted]
        if len(values) > 1:
            raise Unauthorized(f"The request has the header '{wanted.decode()}' twice: the proxy must replace it.")
        return values[0].decode(errors="replace").strip()[:_LONGEST_NAME] or None if values else None

    def _is_trusted(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)  # an IPv4 caller of a socket that takes both
        return any((mapped or address) in network for network in self._networks)


def brought(headers: Headers) -> tuple[bytes | None, Credential | None]:
    """The gateway key and the provider's key that the caller brought. Raises Unauthorized.

    The gateway key stands where a provider's key would, or in `x-aibridge-key` beside the caller's own.
    """
    found = [header for header in headers if header[0] in _CREDENTIALS]
    if len(found) == 1 and (key := found[0][1].removeprefix(b"Bearer ")).startswith(_GATEWAY_KEY):
        return key, None  # nearly always
    keys = [value.strip() for name, value in found if name == b"x-aibridge-key"]
    if len(keys) > 1 or any(not key.startswith(_GATEWAY_KEY) for key in keys):
        raise Unauthorized("'x-aibridge-key' must hold one key of this gateway, and be there once.")
    others = _other_keys(found)
    ours = {*keys, *(key for key in others if key.startswith(_GATEWAY_KEY))}
    if len(ours) > 1:
        raise Unauthorized("The request holds different keys of this gateway: send one.")
    return (ours.pop() if ours else None), own_credential(headers)


def own_credential(headers: Headers) -> Credential | None:
    """The provider key that the caller brought, in the header it came in. Raises Unauthorized."""
    found = [header for header in headers if header[0] in _PROVIDERS]
    if not found:
        return None
    key = _key(found[0]) if len(found) == 1 else _other_keys(found).pop()
    return None if key.startswith(_GATEWAY_KEY) else Credential("byok", found[0], mask(key.decode("latin-1")))


def _other_keys(headers: Sequence[tuple[bytes, bytes]]) -> set[bytes]:
    """The key that stands where a provider's key does: one, though it may be in both headers."""
    found = [header for header in headers if header[0] in _PROVIDERS]
    names = [name for name, _ in found]
    if len(names) != len(set(names)):
        raise Unauthorized("The request has the same credential header twice: send one key.")
    keys = {_key(header) for header in found}
    if len(keys) > 1:
        raise Unauthorized("'Authorization' and 'x-api-key' hold different keys: send one.")
    return keys


def _role(name: str) -> Role:
    for role in get_args(Role):
        if role == name:
            return role  # type: ignore[no-any-return]  # get_args has no better type
    raise Forbidden(f"There is no role {name[:20]!r}: the proxy may name {', '.join(get_args(Role))}.")


def _refuse_other_sites(headers: Headers) -> None:
    """A browser that a proxy knows by a cookie could be made to spend keys by any page it has open."""
    values = first_values(headers)
    if first(values, b"sec-fetch-site") == "cross-site" and first(values, b"origin") is not None:
        raise Forbidden("A page of another site may not use this gateway: it could spend its keys.")


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
        parts = urlsplit(url)
        alone = parts.netloc == url.partition("//")[2]  # neither header has a path, a query or a fragment
        return alone and is_loopback(parts.hostname)
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
