from typing import Any

import httpx2
import pytest
from openai import APIStatusError, RateLimitError

from aibridge.testing import FakeOpenAI, answer, chunks, completion, error, rate_limited, reply
from tests.testing.conftest import Connect


async def fail(connect: Connect, given: Any) -> APIStatusError:
    """The error that the official client raises."""
    async with FakeOpenAI(given) as provider:
        with pytest.raises(APIStatusError) as caught:
            await connect(provider).responses.create(model="gpt-6", input="hello")
    return caught.value


async def test_an_error_has_openais_form(connect: Connect) -> None:
    seen = await fail(connect, error(400, "no such model", type="odd", code="model_not_found", param="model"))
    assert seen.status_code == 400
    assert seen.body == {"message": "no such model", "type": "odd", "code": "model_not_found", "param": "model"}


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request_error"), (429, "rate_limit_error"), (503, "server_error")]
)
async def test_the_type_follows_from_the_status(connect: Connect, status: int, kind: str) -> None:
    assert (await fail(connect, error(status, "no"))).type == kind


async def test_retry_after_is_whole_seconds_and_exact_milliseconds(connect: Connect) -> None:
    whole = (await fail(connect, error(503, "no", retry_after=2))).response.headers
    part = (await fail(connect, error(503, "no", retry_after=0.25, headers={"x-a": "b"}))).response.headers
    assert (whole["retry-after"], whole.get("retry-after-ms")) == ("2", None)
    assert (part["retry-after"], part["retry-after-ms"], part["x-a"]) == ("1", "250", "b")


async def test_rate_limited_is_what_openai_sends(connect: Connect) -> None:
    seen = await fail(connect, rate_limited(retry_after=20))
    assert isinstance(seen, RateLimitError)
    assert seen.code == "rate_limit_exceeded"
    assert seen.response.headers["retry-after"] == "20"
    assert seen.response.headers["x-ratelimit-remaining-requests"] == "0"
    assert seen.response.headers["x-ratelimit-reset-requests"] == "20s"


async def test_a_reply_is_any_response(http: httpx2.AsyncClient) -> None:
    given = [
        reply("<h1>Bad gateway</h1>", status=502, headers={"Content-Type": "text/html"}),
        reply({"a": 1}),
        reply([1], status=201),
    ]
    async with FakeOpenAI(given) as provider:
        seen = [await http.post(f"{provider.url}/responses", json={}) for _ in given]
    assert [(response.status_code, response.headers["content-type"]) for response in seen] == [
        (502, "text/html"),
        (200, "application/json"),
        (201, "application/json"),
    ]
    assert [response.text for response in seen] == ["<h1>Bad gateway</h1>", '{"a":1}', "[1]"]


@pytest.mark.parametrize(
    ("given", "stream"),
    [
        (answer("Hi", headers={"x-a": "b"}), True),
        (answer("Hi", headers={"x-a": "b"}), False),
        (chunks({}, headers={"x-a": "b"}), True),
        (completion("Hi", headers={"x-a": "b"}), False),
        (completion({}, headers={"x-a": "b"}), False),
    ],
)
async def test_headers_can_be_added(http: httpx2.AsyncClient, given: Any, stream: bool) -> None:
    async with FakeOpenAI(given) as provider:
        seen = await http.post(f"{provider.url}/chat/completions", json={"stream": stream})
    assert seen.headers["x-a"] == "b"
    assert seen.headers["x-request-id"].startswith("req_")
