"""Errors in each dialect's own form, and the provider's words found in theirs."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from aibridge.dialects.refusal import message_in, refusal, refusal_headers
from aibridge.errors import (
    AibridgeError,
    ClientError,
    ErrorType,
    Forbidden,
    NotFound,
    TooLarge,
    Unauthorized,
    Unsupported,
)
from aibridge.model import DialectName

OPENAI: list[DialectName] = ["chat_completions", "responses"]


@pytest.mark.parametrize("dialect", OPENAI)
def test_the_form_of_openai(dialect: DialectName) -> None:
    error = ClientError("'n' is odd", param="n", code="odd")
    assert refusal(dialect, error) == (
        b'{"error":{"message":"\'n\' is odd","type":"invalid_request_error","param":"n","code":"odd"}}'
    )


def test_the_form_of_anthropic() -> None:
    assert refusal("messages", ClientError("no", param="n")) == (
        b'{"type":"error","error":{"type":"invalid_request_error","message":"no"}}'
    )


@pytest.mark.parametrize(
    ("error", "openai", "anthropic"),
    [
        (ClientError("x"), "invalid_request_error", "invalid_request_error"),
        (Unauthorized("x"), "authentication_error", "authentication_error"),
        (Forbidden("x"), "authentication_error", "permission_error"),
        (NotFound("x"), "invalid_request_error", "not_found_error"),
        (TooLarge("x"), "invalid_request_error", "request_too_large"),
        (Unsupported("x"), "invalid_request_error", "invalid_request_error"),
        (AibridgeError("x", type="rate_limited"), "rate_limit_error", "rate_limit_error"),
        (AibridgeError("x", type="overloaded"), "server_error", "overloaded_error"),
        (AibridgeError("x", type="timeout"), "timeout_error", "timeout_error"),
        (AibridgeError("x"), "server_error", "api_error"),
        (AibridgeError("x", type="tool"), "server_error", "api_error"),
    ],
)
def test_types(error: AibridgeError, openai: str, anthropic: str) -> None:
    assert json.loads(refusal("chat_completions", error))["error"]["type"] == openai
    assert json.loads(refusal("messages", error))["error"]["type"] == anthropic


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_every_type_of_error_has_a_form(kind: ErrorType) -> None:
    for dialect in get_args(DialectName):
        assert json.loads(refusal(dialect, AibridgeError("x", type=kind)))["error"]["type"]


@pytest.mark.parametrize(
    ("retry_after", "value"), [(0, b"1"), (0.2, b"1"), (1, b"1"), (1.2, b"2"), (2.5, b"3"), (60.0, b"60")]
)
def test_retry_after_is_in_whole_seconds_and_never_too_early(retry_after: float, value: bytes) -> None:
    headers = refusal_headers(AibridgeError("x", retry_after=retry_after))
    assert headers == ((b"content-type", b"application/json"), (b"retry-after", value))


def test_without_retry_after() -> None:
    assert refusal_headers(AibridgeError("x")) == ((b"content-type", b"application/json"),)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "no"}}, "no"),
        ({"error": "no"}, "no"),
        ({"message": "no"}, "no"),
        ({"type": "error", "error": {"type": "x", "message": "no"}}, "no"),
        ({"error": {"message": ""}}, None),
        ({"error": {"message": 5}}, None),
        ({"error": None}, None),
        ({"detail": "no"}, None),
        ([], None),
        ("no", None),
    ],
)
def test_the_providers_own_words(body: Any, message: str | None) -> None:
    assert message_in(json.dumps(body).encode()) == message


def test_what_is_no_json_has_no_message() -> None:
    assert message_in(b"<html>") is None
