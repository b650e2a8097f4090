"""A gateway as an operator would set it up, a client of it, and a provider that looks at the clock."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from aibridge.testing import Answer, FakeOpenAI, Request, answer, call
from tests.served import Gateway

CANARY = "sk-canary-0123456789abcdef"
CLOCK = {"command": sys.executable, "args": ["-m", "aibridge.testing.demo"], "env": {"SECRET": CANARY}}
QUESTION = "What time is it?"
CHAT = "/openai/v1/chat/completions"


def looks_at_the_clock(request: Request) -> Answer:
    if request.tool_results:
        return answer("There: ", "it is late.")
    return answer("Let me look. ", call("bmcp_clock_now", {"tz": "UTC"}))


def settings(provider: FakeOpenAI, **more: Any) -> dict[str, Any]:
    """A file that an operator might write."""
    once = {"retries": {"max": 0}, "circuit_breaker": None}  # a test that fails on purpose fails at once
    return {
        "providers": {"openai": {"base_url": provider.url, "api_keys": [CANARY], **once}},
        "mcp_servers": {"clock": CLOCK},
        "telemetry": {"log_level": "debug"},
        **more,
    }


def body(question: str = QUESTION, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-6", "messages": [{"role": "user", "content": question}], **more}


def ask(gateway: Gateway, **more: Any) -> httpx2.Response:
    """Asks, and waits for the whole answer."""
    return httpx2.post(f"{gateway.url}{CHAT}", json=body(**more), trust_env=False, timeout=10)


@contextmanager
def open_stream(gateway: Gateway) -> Generator[Iterator[str]]:
    """An answer that has begun; yields what is still to come."""
    with httpx2.stream("POST", f"{gateway.url}{CHAT}", json=body(stream=True), trust_env=False, timeout=10) as response:
        pieces = response.iter_text()
        assert "data: " in next(pieces)
        yield pieces
