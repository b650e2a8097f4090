"""A fake OpenAI to test your own agents with: no key, no network, and every answer is yours."""

from __future__ import annotations

from aibridge.testing import canned_openai
from aibridge.testing.chat import CHAT
from aibridge.testing.provider import FakeProvider
from aibridge.testing.responses import RESPONSES


class FakeOpenAI(FakeProvider):
    """Chat completions, Responses, models and embeddings on a free loopback port.

        def handler(request: Request) -> Answer:
            if request.tool_results:
                return answer("It is ", "noon.")
            return answer("I'll look. ", call("get_time", {"zone": "UTC"}))

        async with FakeOpenAI(handler) as provider:
            await my_agent(base_url=provider.url)
            assert [request.model for request in provider.requests] == ["gpt-6", "gpt-6"]

    Instead of a function: a single answer, or a list with an answer for each request. In synchronous tests:
    `with FakeOpenAI(...) as provider`. Everything else is answered with 404 in OpenAI's form, bad JSON with 400.
    """

    prefix = "/v1"
    dialects = {"POST /chat/completions": CHAT, "POST /responses": RESPONSES}  # noqa: RUF012  a constant
    canned = {  # noqa: RUF012  a constant
        "GET /models": canned_openai.models,
        "GET /models/*": canned_openai.model,
        "POST /embeddings": canned_openai.embeddings,
    }
