"""Errors name the guilty party, and a provider's failure has one kind."""

from __future__ import annotations

import pytest

from aibridge.errors import (
    AibridgeError,
    ClientError,
    EndlessTools,
    ErrorType,
    Forbidden,
    NotFound,
    OverLimit,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unsupported,
    UpstreamError,
    UpstreamTimeout,
    classify,
)


@pytest.mark.parametrize(
    ("error", "fault", "status", "kind"),
    [
        (AibridgeError, "ours", 500, "server_error"),
        (Unavailable, "ours", 503, "server_error"),
        (ClientError, "client", 400, "bad_request"),
        (Unauthorized, "client", 401, "unauthorized"),
        (Forbidden, "client", 403, "unauthorized"),
        (NotFound, "client", 404, "bad_request"),
        (TooLarge, "client", 413, "bad_request"),
        (OverLimit, "client", 429, "rate_limited"),
        (Unsupported, "client", 501, "bad_request"),
        (UpstreamError, "upstream", 502, "server_error"),
        (UpstreamTimeout, "upstream", 504, "timeout"),
        (EndlessTools, "upstream", 502, "tool"),
    ],
)
def test_who_erred(error: type[AibridgeError], fault: str, status: int, kind: str) -> None:
    made = error("what went wrong")
    assert (made.fault, made.status, made.type) == (fault, status, kind)
    assert (made.message, str(made)) == ("what went wrong", "what went wrong")
    assert (made.code, made.param, made.retry_after) == (None, None, None)


def test_an_error_may_know_better() -> None:
    error = UpstreamError("busy", status=529, type="overloaded", code="busy", param="model", retry_after=1.5)
    assert (error.status, error.type, error.code, error.param, error.retry_after) == (
        529,
        "overloaded",
        "busy",
        "model",
        1.5,
    )
    assert (UpstreamError.status, UpstreamError.type) == (502, "server_error")


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (529, "", "overloaded"),
        (500, "Overloaded", "overloaded"),
        (None, "overloaded_error", "overloaded"),
        (429, "overloaded, too many requests", "overloaded"),  # the first match wins
        (429, "insufficient_quota", "rate_limited"),
        (403, "check your billing details", "rate_limited"),
        (402, "", "rate_limited"),
        (401, "", "unauthorized"),
        (401, "rate limit", "unauthorized"),
        (400, "Invalid API key", "unauthorized"),
        (None, "authentication_error", "unauthorized"),
        (403, "", "unauthorized"),
        (429, "", "rate_limited"),
        (None, "rate_limit_error", "rate_limited"),
        (None, "Rate limit reached", "rate_limited"),
        (503, "Too Many Requests", "rate_limited"),
        (408, "", "timeout"),
        (504, "", "timeout"),
        (500, "", "server_error"),
        (502, "", "server_error"),
        (503, "", "server_error"),
        (400, "", "bad_request"),
        (404, "model not found", "bad_request"),
        (None, "model_not_found", "bad_request"),
        (None, "context_length_exceeded", "bad_request"),
        (413, "", "bad_request"),
        (422, "", "bad_request"),
        (None, "boom", "unknown"),
        (302, "", "unknown"),
        (520, "", "unknown"),
    ],
)
def test_the_kind_of_a_providers_failure(status: int | None, message: str, kind: ErrorType) -> None:
    assert classify(status, message) == kind
