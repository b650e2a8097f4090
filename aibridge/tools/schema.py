"""Repairs of the JSON Schemas that MCP servers give for their tools' arguments.

Providers refuse a whole request over one bad schema (`None is not of type 'array'`), so what they refuse is mended and
the rest stays as the server wrote it, in its order.
"""

from __future__ import annotations

import logging

import msgspec

from aibridge.model import JSON

logger = logging.getLogger(__name__)

MAX_BYTES = 128 * 1024
"""What one encoded schema may hold: it goes upstream with every request."""


def repaired(schema: JSON) -> dict[str, JSON]:
    """A schema of an object, whatever came: `type` and `properties` first, `required` only where it says something."""
    if not isinstance(schema, dict) or not _of_object(schema):
        return _empty()
    properties = schema.get("properties")
    mended = _empty() | {key: value for key, value in schema.items() if key not in ("type", "properties", "required")}
    if isinstance(properties, dict):
        mended["properties"] = properties
    required = schema.get("required")
    names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    return mended | {"required": names} if names else mended


def encoded(schema: JSON) -> bytes:
    """The repaired schema as JSON; one too large, or beyond encoding, is replaced by that of any object."""
    try:
        data = msgspec.json.encode(repaired(schema))
    except (ValueError, TypeError, RecursionError) as error:
        logger.warning("a tool's schema can't be encoded and is left out: %s", type(error).__name__)
        return msgspec.json.encode(_empty())
    if len(data) > MAX_BYTES:
        logger.warning("a tool's schema of %d bytes is left out: the limit is %d", len(data), MAX_BYTES)
        return msgspec.json.encode(_empty())
    return data


def _of_object(schema: dict[str, JSON]) -> bool:
    kind = schema.get("type")
    return kind is None or kind == "object" or (isinstance(kind, list) and "object" in kind)


def _empty() -> dict[str, JSON]:
    return {"type": "object", "properties": {}}
