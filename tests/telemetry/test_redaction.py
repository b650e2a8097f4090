import pytest

from aibridge.telemetry.redaction import Redactor, is_secret


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Authorization: Bearer abcdef123456", "Authorization: [redacted]"),
        ("sent Bearer abcdef123456 on", "sent Bearer [redacted] on"),
        ("basic dXNlcjpwYXNz", "basic [redacted]"),
        ("x-api-key: s3cret", "x-api-key: [redacted]"),
        ("X-API-Key=s3cret&a=1", "X-API-Key=[redacted]&a=1"),
        ("(b'x-api-key', b's3cret')", "(b'x-api-key', b'[redacted]')"),
        ("{'x-aibridge-key': 's3cret'}", "{'x-aibridge-key': '[redacted]'}"),
        (r"{\"api_key\": \"s3cret\"}", r"{\"api_key\": \"[redacted]\"}"),
        ("Incorrect API key provided: sk-proj-abc_123-x.", "Incorrect API key provided: [redacted]."),
        ("key aib_0123456789abcdef is revoked", "key [redacted] is revoked"),
        ("ghu_0123456789abcdef0123", "[redacted]"),
        ("eyJhbGciOi.eyJzdWIiOi.c2ln", "[redacted]"),
        ("postgresql://ada:s3cret@db/x", "postgresql://ada:[redacted]@db/x"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, seen: str) -> None:
    assert Redactor()(text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "provider openai answered 429 for gpt-5.1 in 1.2 s",
        "POST /openai/v1/chat/completions",
        "the hint is sk-…cdef",
        "http://127.0.0.1:8080/v1/models",
        "task-runner-1 is not a key",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor()(text) == text


def test_what_it_was_told_is_masked_by_its_text_the_longest_first() -> None:
    redact = Redactor(["hunter22"])
    redact.forget(["hunter22-and-more"])
    assert redact("hunter22-and-more, hunter22") == "[redacted], [redacted]"


def test_a_secret_too_short_tears_no_holes() -> None:
    assert Redactor(["", "k", "abcde"])("abcde knows k") == "abcde knows k"


def test_some_names_say_it() -> None:
    assert is_secret("X-Api-Key")
    assert is_secret("authorization")
    assert not is_secret("author")
    assert not is_secret("")
