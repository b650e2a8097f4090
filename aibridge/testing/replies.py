"""What else a handler may answer with: exactly these events, exactly this body, an error, or any HTTP response."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from aibridge.testing.answers import Answer, Call, Finish, Usage, answer
from aibridge.testing.steps import ErrorEvent, Raw, Step

Element = Mapping[str, Any] | bytes | ErrorEvent | Raw | Step
Elements = Element | Iterable["Elements"]


@dataclass(frozen=True, slots=True)
class Chunks:
    """Exactly these events, for a streaming request. Made by `chunks()`."""

    elements: tuple[Elements, ...]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    """A body, for a request that does not stream. Made by `completion()`."""

    content: Answer | Mapping[str, Any] | bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Error:
    """An error in the dialect's form, for any request. Made by `error()`."""

    status: int
    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response: what every answer becomes in the end. Made by `reply()` and `prepare()`.

    Each piece of `body` is written by itself; a body of a single piece has a Content-Length, others are chunked.
    """

    status: int = 200
    body: Iterable[bytes | Step] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


Given = Answer | Chunks | Completion | Error | Reply
"""What a handler may return."""


def chunks(*elements: Elements, headers: Mapping[str, str] | None = None) -> Chunks:
    """Exactly these events and no others, for odd streams: `chunks(text_chunks("Hel", "lo"), finish_chunk(), DONE)`.

    A mapping becomes an event of the dialect, bytes go out as they are, steps happen in their place; iterables of all
    these are walked as they are sent, so a stream may be endless.
    """
    return Chunks(elements, headers or {})


def completion(
    content: str | Answer | Mapping[str, Any] | bytes | None = None,
    *,
    tool_calls: Iterable[Call] = (),
    finish: Finish | None = None,
    usage: Usage | None = Usage(),  # noqa: B008  frozen
    headers: Mapping[str, str] | None = None,
) -> Completion:
    """A body for a request that does not stream: a text, an answer, or, as a mapping or bytes, the very body."""
    if content is None or isinstance(content, str):
        content = answer(content or (), tool_calls, finish=finish, usage=usage)
    return Completion(content, headers or {})


def error(
    status: int,
    message: str,
    *,
    type: str | None = None,  # noqa: A002  the field's name in every dialect
    code: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> Error:
    """An error in the dialect's form.

    type: by default the one that goes with the status. retry_after: seconds, sent as Retry-After, whole seconds
    rounded up; a fraction goes exactly into retry-after-ms, which OpenAI's clients prefer.
    """
    return Error(status, message, type, code, param, {**_retry_headers(retry_after), **(headers or {})})


def rate_limited(retry_after: float = 1.0, message: str = "Rate limit reached for requests") -> Error:
    """HTTP 429 as OpenAI sends it, with Retry-After (seconds) and the x-ratelimit headers of a spent allowance.

    In the messages dialect it has Anthropic's form, and the same headers.
    """
    limits = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-requests": f"{retry_after:g}s",
        "x-ratelimit-reset-tokens": "6ms",
    }
    return error(429, message, type="requests", code="rate_limit_exceeded", retry_after=retry_after, headers=limits)


def overloaded(message: str = "Overloaded", *, retry_after: float | None = None) -> Error:
    """HTTP 529 as Anthropic sends it when it has too much to do, by default without Retry-After (seconds)."""
    return error(529, message, type="overloaded_error", retry_after=retry_after)


def reply(
    body: bytes | str | Mapping[str, Any] | list[Any] | Iterable[bytes | Step] = b"",
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Any HTTP response: bytes, text, JSON (a mapping or a list), or a tuple or generator of bytes and steps."""
    match body:
        case bytes():
            return Reply(status, (body,), headers or {})
        case str():
            return Reply(status, (body.encode(),), {"content-type": "text/plain; charset=utf-8", **(headers or {})})
        case Mapping() | list():
            return Reply(status, (msgspec.json.encode(body),), {"content-type": "application/json", **(headers or {})})
        case _:
            return Reply(status, body, headers or {})


def only_piece(reply: Reply) -> bytes | None:
    """The body of a reply that goes out in one piece."""
    match reply.body:
        case (bytes() as piece,):
            return piece
        case _:
            return None


def _retry_headers(seconds: float | None) -> dict[str, str]:
    if seconds is None:
        return {}
    whole = {"retry-after": str(math.ceil(seconds))}
    return whole if seconds == math.ceil(seconds) else {**whole, "retry-after-ms": str(round(seconds * 1000))}
