"""Errors in each dialect's own form: the body of a response, or the data of an in-band event."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aibridge.dialects.codec import decode, encode
from aibridge.errors import AibridgeError, ErrorType
from aibridge.model import DialectName, Headers

# https://platform.openai.com/docs/guides/error-codes
_OPENAI_TYPES: Mapping[ErrorType, str] = {
    "bad_request": "invalid_request_error",
    "unauthorized": "authentication_error",
    "rate_limited": "rate_limit_error",
    "timeout": "timeout_error",
}

# https://docs.anthropic.com/en/api/errors
_ANTHROPIC_TYPES: Mapping[ErrorType, str] = {
    "bad_request": "invalid_request_error",
    "unauthorized": "authentication_error",
    "rate_limited": "rate_limit_error",
    "overloaded": "overloaded_error",
    "timeout": "timeout_error",
}
_ANTHROPIC_STATUSES: Mapping[int, str] = {403: "permission_error", 404: "not_found_error", 413: "request_too_large"}


def refusal(dialect: DialectName, error: AibridgeError) -> bytes:
    """The error as JSON, as a client of this dialect expects it."""
    if dialect == "messages":
        kind = _ANTHROPIC_STATUSES.get(error.status) or _ANTHROPIC_TYPES.get(error.type, "api_error")
        return encode({"type": "error", "error": {"type": kind, "message": error.message}})
    kind = _OPENAI_TYPES.get(error.type, "server_error")
    return encode({"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}})


def refusal_headers(error: AibridgeError) -> Headers:
    """The headers that go with such a body."""
    headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/json")]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    return tuple(headers)


def message_in(body: bytes) -> str | None:
    """The provider's own words, from the forms of error that providers have."""
    value = decode(body)
    error: Any = value.get("error", value) if isinstance(value, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) and message else None
