"""A fake OpenAI to test your own agents with: no key, no network, and every answer is yours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Literal

import msgspec

from aibridge.testing import canned
from aibridge.testing.chat import CHAT
from aibridge.testing.provider import FakeProvider
from aibridge.testing.replies import Given, Reply
from aibridge.testing.request import DEFAULT_MODEL, Request
from aibridge.testing.responses import RESPONSES
from aibridge.testing.steps import Step

_DIALECTS = {"chat_completions": CHAT, "responses": RESPONSES}


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
        "GET /models": canned.models,
        "GET /models/*": canned.model,
        "POST /embeddings": canned.embeddings,
    }


def prepare(
    given: Given,
    *,
    dialect: Literal["chat_completions", "responses"] = "chat_completions",
    in_one_piece: bool = False,
    **body: Any,
) -> Reply:
    """The reply to a request with this body, encoded once and for all: `prepare(answer("Hi"), stream=True)`.

    For load tests: `FakeOpenAI(prepare(...), keep_requests=False)` encodes nothing more. All replies share one id.
    in_one_piece: neighbouring events leave in one write.
    """
    speaks = _DIALECTS[dialect]
    request = Request("POST", "/", body=msgspec.json.encode({"model": DEFAULT_MODEL, **body}), dialect=speaks)
    made = speaks.reply(given, request)
    return Reply(made.status, tuple(_joined(made.body) if in_one_piece else made.body), made.headers)


def _joined(pieces: Iterable[bytes | Step]) -> Iterator[bytes | Step]:
    for are_bytes, group in groupby(pieces, lambda piece: isinstance(piece, bytes)):
        if are_bytes:
            yield b"".join(piece for piece in group if isinstance(piece, bytes))
        else:
            yield from group
