"""What the fake Anthropic answers beside its dialect: models, token counts and Claude Code's small talk."""

from __future__ import annotations

from typing import Any

from aibridge.testing.replies import Reply, reply
from aibridge.testing.request import DEFAULT_MODEL, Request


def count_tokens(request: Request) -> Reply:
    """`POST /v1/messages/count_tokens`: a quarter of the body's bytes, which is near enough."""
    return reply({"input_tokens": max(1, len(request.body) // 4)})


def models(request: Request) -> Reply:
    """`GET /v1/models`: one model."""
    page = {"has_more": False, "first_id": DEFAULT_MODEL, "last_id": DEFAULT_MODEL}
    return reply({"data": [_model(DEFAULT_MODEL)], **page})


def model(request: Request) -> Reply:
    """`GET /v1/models/{id}`: whichever is asked for."""
    return reply(_model(request.path.rsplit("/", 1)[1]))


def hello(request: Request) -> Reply:
    """`HEAD` or `GET /api/hello`: it is there."""
    return reply({"message": "hello"})


def events(request: Request) -> Reply:
    """`POST /api/event_logging/batch`: all of them are taken."""
    given = request.fields.get("events")
    return reply({"accepted_count": len(given) if isinstance(given, list) else 0, "rejected_count": 0})


def _model(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }
