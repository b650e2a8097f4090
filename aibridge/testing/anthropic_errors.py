"""The form that Anthropic gives its errors: https://docs.anthropic.com/en/api/errors"""

from __future__ import annotations

from typing import Any

from aibridge.testing.replies import Error

_USUAL_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_TYPES = {"requests": "rate_limit_error"}
"""What `rate_limited()` says in OpenAI's words."""


def error_object(error: Error) -> dict[str, Any]:
    """The body, or the event, of an error. It has no place for a code and a param."""
    kind = _OPENAI_TYPES.get(error.type, error.type) if error.type else _usual_type(error.status)
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def _usual_type(status: int) -> str:
    return _USUAL_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
