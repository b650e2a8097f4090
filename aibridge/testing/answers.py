"""What the model says and does: one value that suits every request, streaming or not, whatever the dialect."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args
from uuid import uuid4

import msgspec

from aibridge.model import JSON
from aibridge.testing.steps import Delay, Disconnect, ErrorEvent, Head, Raw, Step, Truncate, Wait

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
"""Why the model stopped, in OpenAI's words. `length` and `content_filter` make a Responses answer incomplete."""

StopReason = Literal[
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded"
]
"""Why the model stopped, in Anthropic's words."""

Finish = FinishReason | StopReason
"""Why the model stopped, in either's words: each dialect says it in its own."""

_FINISH_REASONS: Mapping[StopReason, FinishReason] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "pause_turn": "stop",
    "refusal": "content_filter",
    "model_context_window_exceeded": "length",
}
_STOP_REASONS: Mapping[FinishReason, StopReason] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens an answer cost, in no dialect's words.

    `input` includes what was read from the cache and written to it, as OpenAI counts; Anthropic's `input_tokens` are
    what is left without both. `cache_write_1h` is the part of `cache_write` that is kept for an hour.
    """

    input: int = 10
    output: int = 5
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    accepted_prediction: int = 0
    rejected_prediction: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the model."""

    name: str
    arguments: str
    id: str
    split: int = 1
    split_name: int = 1


@dataclass(frozen=True, slots=True)
class Thought:
    """Reasoning that the provider shows: `reasoning_content`, a reasoning item's summary, or a thinking block."""

    text: str
    signature: str | None = None
    split: int = 1


@dataclass(frozen=True, slots=True)
class RedactedThought:
    """Reasoning that the provider hides: a reasoning item with no summary, or a redacted_thinking block."""

    data: str


@dataclass(frozen=True, slots=True)
class WebSearch:
    """A search that the provider runs by itself, and what it found: `(title, URL)`."""

    query: str
    results: tuple[tuple[str, str], ...]
    error: str | None
    split: int = 1


@dataclass(frozen=True, slots=True)
class Commentary:
    """What the model says by the way: in Responses a message of its own with `phase: commentary`, elsewhere text."""

    text: str


@dataclass(frozen=True, slots=True)
class Grouped:
    """Pieces whose events leave in one write."""

    pieces: tuple[Piece, ...]


Piece = str | Call | Thought | RedactedThought | WebSearch | Commentary | Raw
Part = Piece | Grouped | ErrorEvent | Step
Parts = Part | Iterable["Parts"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says and does, for any request. Made by `answer()`."""

    parts: tuple[Part, ...]
    finish: Finish | None = None
    usage: Usage | None = None
    model: str | None = None
    id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What the model says, with neither steps nor groups."""
        return tuple(piece for part in self.parts for piece in _pieces(part))

    @property
    def text(self) -> str:
        """All its text; thoughts are none."""
        return "".join(_text(piece) for piece in self.pieces)

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Call))

    @property
    def thoughts(self) -> tuple[str, ...]:
        return tuple(piece.text for piece in self.pieces if isinstance(piece, Thought))

    @property
    def finish_reason(self) -> FinishReason:
        """As given; else `tool_calls` where there are any, and `stop` where there are none."""
        finish = self.finish or ("tool_calls" if self.calls else "stop")
        return _FINISH_REASONS.get(finish, finish)  # type: ignore[arg-type]  # one or the other

    @property
    def stop_reason(self) -> StopReason:
        """The same in Anthropic's words."""
        finish = self.finish or self.finish_reason
        return _STOP_REASONS.get(finish, finish)  # type: ignore[arg-type]  # one or the other


def answer(
    *parts: Parts,
    finish: Finish | None = None,
    usage: Usage | None = Usage(),
    model: str | None = None,
    id: str | None = None,  # noqa: A002  the field's name in every dialect
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An answer for any request: `answer("It is ", "noon.")`, `answer("I'll look.", call("time", {"zone": "UTC"}))`.

    Each text is a delta of its own when the request streams (see `words()`). Steps among the parts happen in their
    place; where the request does not stream they happen before the body goes out.

    finish: why the model stopped; by default it follows from the parts.
    usage: None makes a provider that reports no usage. Chat streams bear it only where the request asks for it.
    model: the request's own by default. id: a new one by default. headers: added to the response.
    """
    return Answer(tuple(_flat_parts(parts)), finish, usage, model, id, headers or {})


def words(text: str) -> tuple[str, ...]:
    """The text cut before each word, so that it streams as models do: `answer(words("It is noon."))`."""
    first, *rest = text.split(" ")
    return (first, *(f" {word}" for word in rest))


def call(
    name: str,
    arguments: Mapping[str, JSON] | str | None = None,
    *,
    id: str | None = None,  # noqa: A002  the field's name in every dialect
    split: int = 1,
    split_name: int = 1,
) -> Call:
    """A tool call. Several in one answer are parallel calls.

    arguments: a mapping, or a string that is sent as it is, valid JSON or not.
    split: over how many events the arguments are spread; in a chat stream 1 means the whole call is one chunk.
    A messages stream begins them with an empty event, and its body has `{}` where they are no JSON object.
    split_name: over how many chunks of a chat stream the name is spread, as some providers do.
    """
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode()
    return Call(name, text, id or f"call_{uuid4().hex[:24]}", split, split_name)


def thought(text: str, *, signature: str | None = None, split: int = 1) -> Thought:
    """Reasoning that the provider shows: `reasoning_content`, a reasoning item's summary, or a thinking block.

    signature: of the thinking block; by default a new one each time it is sent. split: over how many events of a
    messages stream the text is spread.
    """
    return Thought(text, signature, split)


def redacted_thought(data: str | None = None) -> RedactedThought:
    """Reasoning that the provider hides: a redacted_thinking block, a reasoning item with no summary; nothing in chat.

    data: what stands in place of the words, and comes back with the next request; by default random.
    """
    return RedactedThought(data or secret())


def web_search(
    query: str,
    *results: tuple[str, str],
    error: str | None = None,
    split: int = 1,
) -> WebSearch:
    """A search that the provider runs by itself: `web_search("noon", ("Noon", "https://example.com/noon"))`.

    Messages: a server_tool_use block and its web_search_tool_result. Responses: a web_search_call. Chat: nothing.
    error: makes the search fail with this error code, such as `max_uses_exceeded`. split: over how many events of a
    messages stream the query is spread.
    """
    return WebSearch(query, results, error, split)


def commentary(text: str) -> Commentary:
    """A remark on the way, which Responses mark `phase: commentary`."""
    return Commentary(text)


def grouped(*pieces: Piece) -> Grouped:
    """Pieces whose events leave in one write, as they come from a provider that is faster than its network."""
    for piece in pieces:
        if not isinstance(piece, get_args(Piece)):
            raise TypeError(f"grouped() takes texts, calls, thoughts and comments, not {piece!r}")
    return Grouped(pieces)


def secret() -> str:
    """What only its maker can read: signatures, encrypted reasoning and the like, as they look on the wire."""
    return base64.b64encode(b"fake" + uuid4().bytes + uuid4().bytes).decode()


def cut(text: str, count: int) -> list[str]:
    """The text in at most `count` parts of about the same length."""
    size = max(1, math.ceil(len(text) / max(1, count)))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _flat_parts(parts: Iterable[Parts]) -> Iterable[Part]:
    for part in parts:
        if isinstance(part, get_args(Part)):
            yield part
        elif isinstance(part, Iterable) and not isinstance(part, (bytes, Mapping)):
            yield from _flat_parts(part)
        else:
            raise TypeError(f"answer() takes texts, calls and steps, not {part!r}; use chunks() for exact events")


def _pieces(part: Part) -> tuple[Piece, ...]:
    match part:
        case Grouped():
            return part.pieces
        case ErrorEvent() | Wait() | Delay() | Truncate() | Disconnect() | Head():
            return ()
        case _:
            return (part,)


def _text(piece: Piece) -> str:
    match piece:
        case str():
            return piece
        case Commentary():
            return piece.text
        case _:
            return ""
