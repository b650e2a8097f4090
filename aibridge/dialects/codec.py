"""JSON as bytes, exactly: integers of any size survive, key order is kept, nothing is added."""

from __future__ import annotations

import json  # noqa: TID251  the standard decoder alone can tell repeated keys and lone surrogates
from typing import Any

import msgspec

from aibridge.errors import ClientError
from aibridge.model import JSON

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

# What msgspec raises for text that is no JSON, not UTF-8, or nested beyond what any provider takes.
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_request(body: bytes) -> dict[str, Any]:
    """A client's body. Raises ClientError, in words for its author, where it is no JSON object."""
    try:
        value = _decode(body)
    except RecursionError:
        raise ClientError("The request body is nested too deeply.") from None
    except _MALFORMED as error:
        raise ClientError(f"The request body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ClientError(f"The request body must be a JSON object, not {kind(value)}.")
    return value


def decode(data: bytes) -> JSON:
    """A provider's JSON; None where it is none. Half an emoji (a lone surrogate) is kept as it is."""
    try:
        return _decode(data)
    except _MALFORMED:
        pass
    try:
        return json.loads(data, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def encode(value: JSON) -> bytes:
    """Compact JSON."""
    try:
        return _encode(value)
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8, but it has an escape
        return json.dumps(value, separators=(",", ":"), default=_decode).encode()  # only what is Raw needs a default


def faithful(body: bytes, value: dict[str, Any]) -> bytes:
    """The body itself, unless it repeats a key: then our encoding, so that the provider acts on what we record."""
    compact = encode(value)
    return compact if compact != body and _repeats_a_key(body) else body


def _repeats_a_key(body: bytes) -> bool:
    repeated = False

    def watch(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        value = dict(pairs)
        repeated = repeated or len(value) < len(pairs)
        return value

    json.loads(body, object_pairs_hook=watch)
    return repeated


def kind(value: JSON) -> str:
    """A JSON value's type, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def as_object(text: str) -> dict[str, Any] | None:
    """A call's arguments decoded; empty ones mean `{}`. None where they are no JSON object."""
    if not text.strip():
        return {}
    value = decode(text.encode(errors="surrogatepass"))
    return value if isinstance(value, dict) else None


def as_input(text: str, value: JSON | None) -> bytes:
    """A call's arguments for the record: JSON as it is, anything else as a JSON string."""
    return encode(text if value is None else value)


def text_or_none(value: JSON) -> str | None:
    """A name or an id as a provider writes it; anything that is no text is none."""
    return value if isinstance(value, str) else None


def count(value: JSON) -> int:
    """A number of tokens as a provider writes it; anything that is none counts as 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
