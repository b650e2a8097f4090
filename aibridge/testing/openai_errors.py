"""The form that OpenAI gives its errors, in every one of its dialects."""

from __future__ import annotations

from typing import Any

from aibridge.testing.replies import Error


def error_object(error: Error) -> dict[str, Any]:
    """The body, or the chunk, of an error."""
    return {
        "error": {
            "message": error.message,
            "type": error.type or _usual_type(error.status),
            "param": error.param,
            "code": error.code,
        }
    }


def _usual_type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"
