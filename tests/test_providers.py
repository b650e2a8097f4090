"""Providers as data: which routes there are, and where they lead."""

from __future__ import annotations

import pytest

from aibridge.providers import ANTHROPIC, COPILOT, DEFAULT_BASE_URLS, KINDS, OPENAI, Kind, Passthrough, Provider


def passthrough(kind: Kind, method: str, path: str) -> Passthrough | None:
    matching = [route for route in kind.passthrough if method in route.methods and route.pattern.fullmatch(path)]
    assert len(matching) <= 1, "one path has one route"
    return matching[0] if matching else None


@pytest.mark.parametrize(
    ("kind", "path", "url", "dialect"),
    [
        (OPENAI, "/v1/chat/completions", "https://api.openai.com/v1/chat/completions", "chat_completions"),
        (OPENAI, "/v1/responses", "https://api.openai.com/v1/responses", "responses"),
        (ANTHROPIC, "/v1/messages", "https://api.anthropic.com/v1/messages", "messages"),
        (COPILOT, "/chat/completions", "https://api.githubcopilot.com/chat/completions", "chat_completions"),
        (COPILOT, "/responses", "https://api.githubcopilot.com/responses", "responses"),
        (COPILOT, "/v1/messages", "https://api.githubcopilot.com/v1/messages", "messages"),
    ],
)
def test_where_an_intercepted_route_leads(kind: Kind, path: str, url: str, dialect: str) -> None:
    [route] = [route for route in kind.intercepted if route.path == path]
    assert DEFAULT_BASE_URLS[kind.type] + route.upstream_path == url
    assert route.dialect == dialect


@pytest.mark.parametrize(
    ("kind", "method", "path", "label"),
    [
        (OPENAI, "GET", "/v1/models", "/v1/models"),
        (OPENAI, "GET", "/v1/models/gpt-5", "/v1/models/{id}(/{id})*"),
        (OPENAI, "DELETE", "/v1/models/ft:gpt-5:acme::x1", "/v1/models/{id}(/{id})*"),
        (OPENAI, "GET", "/v1/models/meta-llama/Llama-3.3", "/v1/models/{id}(/{id})*"),
        (OPENAI, "POST", "/v1/conversations", "/v1/conversations…"),
        (OPENAI, "GET", "/v1/conversations/conv_1/items", "/v1/conversations…"),
        (OPENAI, "GET", "/v1/responses/resp_1", "/v1/responses/{id}…"),
        (OPENAI, "POST", "/v1/responses/resp_1/cancel", "/v1/responses/{id}…"),
        (OPENAI, "POST", "/v1/embeddings", "/v1/embeddings"),
        (ANTHROPIC, "GET", "/v1/models", "/v1/models…"),
        (ANTHROPIC, "GET", "/v1/models/claude", "/v1/models…"),
        (ANTHROPIC, "POST", "/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        (ANTHROPIC, "HEAD", "/api/hello", "/api/hello"),
        (ANTHROPIC, "POST", "/api/event_logging/batch", "/api/event_logging…"),
        (COPILOT, "GET", "/models", "/models"),
    ],
)
def test_what_passes_through_and_its_bounded_name(kind: Kind, method: str, path: str, label: str) -> None:
    route = passthrough(kind, method, path)
    assert route is not None
    assert route.label == label
    assert path.startswith(route.strip)


@pytest.mark.parametrize(
    ("kind", "method", "path"),
    [
        (OPENAI, "POST", "/v1/models"),
        (OPENAI, "GET", "/v1/files"),
        (OPENAI, "GET", "/v1/admin"),
        (OPENAI, "GET", "/v1/modelsx"),
        (OPENAI, "GET", "/v1/models/"),
        (OPENAI, "GET", "/v1/models/a\nb"),
        (OPENAI, "GET", "/v1/models\n"),
        (OPENAI, "POST", "/v1/responses"),
        (OPENAI, "GET", "/v1/responses/"),
        (OPENAI, "DELETE", "/v1/embeddings"),
        (ANTHROPIC, "POST", "/v1/messages/batches"),
        (ANTHROPIC, "GET", "/v1/organizations"),
        (COPILOT, "GET", "/v1/models"),
    ],
)
def test_what_does_not_pass(kind: Kind, method: str, path: str) -> None:
    assert passthrough(kind, method, path) is None


def test_every_type_has_a_kind_and_a_home() -> None:
    assert KINDS == {"openai": OPENAI, "anthropic": ANTHROPIC, "copilot": COPILOT}
    assert set(DEFAULT_BASE_URLS) == set(KINDS)
    assert all(url.startswith("https://") and not url.endswith("/") for url in DEFAULT_BASE_URLS.values())


def test_a_provider_does_not_show_its_keys() -> None:
    provider = Provider("x", OPENAI, "https://x", ("sk-123",), extra_headers={"x-key": "sk-456"})
    assert "sk-" not in repr(provider)
