"""Which headers go on to the provider, and which come back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from aibridge.errors import ClientError
from aibridge.model import Actor, Headers

# https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"proxy-connection"}
)
_NOT_FORWARDED = _HOP_BY_HOP | {
    b"host",
    b"accept-encoding",
    b"content-length",
    b"forwarded",
    b"cookie",
    b"expect",
    b"authorization",
    b"x-api-key",
}
_ACTOR = b"x-ai-bridge-actor-"  # ours to say, and nobody else's
_PREFIXES_NOT_FORWARDED = (b"x-forwarded-", b"x-aibridge-", _ACTOR, b"proxy-")
_NOT_RETURNED = _HOP_BY_HOP | {b"set-cookie", b"content-length", b"content-encoding", b"date"}

_TOKEN = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = bytes([*range(ord("\t")), *range(ord("\t") + 1, ord(" ")), 0x7F])

Values = Mapping[bytes, bytes]
"""The first value of each header, by its name."""


def forwardable(headers: Headers, withheld: frozenset[bytes] = frozenset()) -> Headers:
    """The client's headers that the provider may see; its credentials are not among them, nor those `withheld`."""
    dropped = _with_those_named(_NOT_FORWARDED | withheld if withheld else _NOT_FORWARDED, headers)
    return tuple(
        [header for header in headers if header[0] not in dropped and not header[0].startswith(_PREFIXES_NOT_FORWARDED)]
    )


def actor_headers(actor: Actor) -> Headers:
    """Who asks, as a provider is told. What no header can hold is left out."""
    told = {_ACTOR + b"id": actor.name}
    told |= {_ACTOR + b"metadata-" + key.lower().encode(): value for key, value in actor.metadata.items() if key}
    return tuple((name, value) for name, what in told.items() if _TOKEN.fullmatch(name) and (value := _value(what)))


def returnable(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The provider's headers that the client may see."""
    dropped = _with_those_named(_NOT_RETURNED, headers)
    return [header for header in headers if header[0] not in dropped]


def first_values(headers: Headers) -> Values:
    """For look-ups, where several are made."""
    return dict(reversed(headers))


def first(values: Values, name: bytes) -> str | None:
    """The value of a header, or None where it is absent or blank."""
    value = values.get(name)
    return None if value is None else value.decode("latin-1").strip() or None


def refuse_control_characters(headers: Headers) -> None:
    """Raises ClientError for a value that could forge a line of a log or of another header."""
    if _holds_control(b"".join([value for _, value in headers])):
        name = next(name for name, value in headers if _holds_control(value))
        raise ClientError(f"The header '{name.decode('latin-1')}' holds a control character.")


def _value(what: object) -> bytes | None:
    value = (str(what).lower() if isinstance(what, bool) else str(what)).strip().encode(errors="replace")
    return value if isinstance(what, str | int | float) and not _holds_control(value) else None


def _holds_control(value: bytes) -> bool:
    return len(value.translate(None, _CONTROL)) < len(value)


def _with_those_named(names: frozenset[bytes], headers: Headers) -> frozenset[bytes]:
    """These names and those that Connection says are about this connection alone."""
    found = [value for name, value in headers if name == b"connection"]
    return _joined(names, b",".join(found)) if found else names


@lru_cache(maxsize=64)  # nearly all say keep-alive
def _joined(names: frozenset[bytes], connection: bytes) -> frozenset[bytes]:
    return names.union(name.strip().lower() for name in connection.split(b","))
