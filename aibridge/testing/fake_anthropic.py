"""A fake Anthropic to test your own agents with: no key, no network, and every answer is yours."""

from __future__ import annotations

from aibridge.testing import canned_anthropic
from aibridge.testing.messages import MESSAGES
from aibridge.testing.provider import FakeProvider


class FakeAnthropic(FakeProvider):
    """Messages, token counts and models on a free loopback port.

        async with FakeAnthropic([answer(call("get_time")), answer("It is noon.")]) as provider:
            await my_agent(base_url=provider.url)

    The handler is what it is for FakeOpenAI, and the same answers suit both. `url` is the origin, as
    ANTHROPIC_BASE_URL wants it. Everything else is answered with 404 in Anthropic's form, bad JSON with 400.
    """

    dialects = {"POST /v1/messages": MESSAGES}  # noqa: RUF012  a constant
    checked = frozenset({"POST /v1/messages/count_tokens"})
    canned = {  # noqa: RUF012  a constant
        "POST /v1/messages/count_tokens": canned_anthropic.count_tokens,
        "GET /v1/models": canned_anthropic.models,
        "GET /v1/models/*": canned_anthropic.model,
        "GET /api/hello": canned_anthropic.hello,
        "HEAD /api/hello": canned_anthropic.hello,
        "POST /api/event_logging/*": canned_anthropic.events,
    }
