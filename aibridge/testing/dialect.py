"""What a dialect must know to turn whatever a handler gave into an HTTP response.

A new dialect is one file: a subclass of Dialect with its shapes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Any, get_args
from uuid import uuid4

import msgspec

from aibridge.model import JSON, DialectName
from aibridge.testing.answers import Answer, Part
from aibridge.testing.memory import Memory
from aibridge.testing.replies import Chunks, Completion, Element, Elements, Error, Reply
from aibridge.testing.request import Request
from aibridge.testing.steps import Delay, Disconnect, ErrorEvent, Head, Raw, Step, Truncate, Wait


class Misuse(AssertionError):
    """The fake server was used wrongly, or its handler failed: the test is at fault, not what it tests."""


class Dialect(ABC):
    """The shapes of one wire API."""

    name: DialectName

    def reply(self, given: object, request: Request) -> Reply:
        """The response to this request. Raises Misuse where what was given does not suit it."""
        match given:
            case Reply():
                return given
            case Error():
                return self._json(self.error_body(given), given.headers, given.status)
            case Answer():
                return self._stream(given, request) if request.stream else self._blocking(given, request)
            case Chunks() if request.stream:
                return self._events(self._encoded(given.elements), given.headers)
            case Completion() if not request.stream:
                return self._completion(given, request)
            case _:
                raise Misuse(_complaint(given))

    @abstractmethod
    def stream(self, answer: Answer, request: Request) -> Iterator[bytes | Step]:
        """The answer as a stream's events, steps among them."""

    @abstractmethod
    def completion(self, answer: Answer, request: Request) -> JSON:
        """The answer as a body."""

    @abstractmethod
    def event(self, data: Mapping[str, Any]) -> bytes:
        """One event of a stream, encoded."""

    @abstractmethod
    def error_event(self, error: ErrorEvent) -> bytes:
        """An error within a stream."""

    @abstractmethod
    def error_body(self, error: Error) -> JSON:
        """An error as a body."""

    @abstractmethod
    def tool_results(self, messages: list[JSON]) -> dict[str, str]:
        """The text of each tool result, by the id of its call."""

    @abstractmethod
    def memory(self) -> Memory:
        """An empty memory of what a fake says in this dialect."""

    def identity(self, body: JSON = None) -> dict[str, str]:
        """The header by which the provider names its response; `body` is the decoded one where there is one."""
        return {"x-request-id": new_id("req_")}

    def _stream(self, answer: Answer, request: Request) -> Reply:
        return self._events(self.stream(answer, request), answer.headers)

    def _blocking(self, answer: Answer, request: Request) -> Reply:
        steps = [part for part in answer.parts if isinstance(part, get_args(Step))]
        error = next((part for part in answer.parts if isinstance(part, ErrorEvent)), None)
        if error:
            body = self._json(self.error_body(Error(500, error.message, error.type, error.code)), answer.headers, 500)
        else:
            body = self._json(self.completion(answer, request), answer.headers)
        return Reply(body.status, (*steps, *body.body), body.headers)

    def _completion(self, given: Completion, request: Request) -> Reply:
        match given.content:
            case Answer():
                made = self._blocking(given.content, request)
                return Reply(made.status, made.body, {**made.headers, **given.headers})
            case body:
                return self._json(body, given.headers)

    def _encoded(self, elements: Iterable[Elements]) -> Iterator[bytes | Step]:
        for element in _flat(elements):
            match element:
                case bytes():
                    yield element
                case Raw():
                    yield element.data
                case ErrorEvent():
                    yield self.error_event(element)
                case Mapping():
                    yield self.event(element)
                case step:
                    yield step

    def _events(self, body: Iterable[bytes | Step], headers: Mapping[str, str]) -> Reply:
        return Reply(200, body, {"content-type": "text/event-stream; charset=utf-8", **self.identity(), **headers})

    def _json(self, body: JSON, headers: Mapping[str, str], status: int = 200) -> Reply:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return Reply(status, (data,), {"content-type": "application/json", **self.identity(body), **headers})


def new_id(prefix: str) -> str:
    """An id as providers make them."""
    return prefix + uuid4().hex


def prelude(parts: tuple[Part, ...]) -> tuple[tuple[Raw | Step, ...], tuple[Part, ...]]:
    """What happens before the model's first word, and the rest: a wait in front holds back the whole response."""
    first = tuple(takewhile(lambda part: isinstance(part, get_args(Raw | Step)), parts))
    return first, parts[len(first) :]  # type: ignore[return-value]  # takewhile does not narrow


def plain(content: JSON) -> str:
    """The text of a message's content, be it a string or a list of parts."""
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return content or ""


def _flat(elements: Iterable[Elements]) -> Iterator[Element]:
    for element in elements:
        match element:
            case Mapping() | bytes() | ErrorEvent() | Raw() | Wait() | Delay() | Truncate() | Disconnect() | Head():
                yield element
            case Iterable() if not isinstance(element, str):
                yield from _flat(element)
            case _:
                raise Misuse(f"chunks() takes mappings, bytes and steps, not {element!r}")


def _complaint(given: object) -> str:
    match given:
        case None:
            return "the handler returned neither chunks, nor a completion, nor an error: it returned None"
        case Chunks():
            return "the handler returned chunks, but the request does not stream: use answer() or completion()"
        case Completion():
            return "the handler returned a completion, but the request streams: use answer() or chunks()"
        case tuple() | list():
            kinds = " and ".join(type(part).__name__ for part in given)
            return f"the handler returned several answers ({kinds}): it must return exactly one"
        case _:
            return f"the handler returned {given!r}: it must return chunks, a completion, an error or an answer"
