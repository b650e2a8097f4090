"""Chat completions: the shapes of its chunks and bodies, and builders for streams that are put together by hand."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from typing_extensions import override

from aibridge import sse
from aibridge.model import JSON
from aibridge.testing.answers import (
    Answer,
    Call,
    Commentary,
    FinishReason,
    Grouped,
    Part,
    RedactedThought,
    Thought,
    Usage,
    WebSearch,
    call,
    cut,
)
from aibridge.testing.dialect import Dialect, new_id, plain, prelude
from aibridge.testing.memory import Memory
from aibridge.testing.memory_chat import ChatMemory
from aibridge.testing.openai_errors import error_object
from aibridge.testing.replies import Error
from aibridge.testing.request import DEFAULT_MODEL, Request
from aibridge.testing.steps import ErrorEvent, Raw, Step, Truncate

DONE = sse.encode(b"[DONE]")
"""The terminator of a chat stream, for `chunks()`."""

_FINGERPRINT = "fp_fake"


def text_chunks(*pieces: str) -> list[dict[str, Any]]:
    """One chunk for each piece of text."""
    return [_by_hand({"content": piece}) for piece in pieces]


def tool_call_chunks(
    name: str,
    arguments: Mapping[str, JSON] | str | None = None,
    *,
    id: str | None = None,  # noqa: A002  the field's name in the dialect
    index: int = 0,
    split: int = 1,
    split_name: int = 1,
) -> list[dict[str, Any]]:
    """A tool call: whole in one chunk, or its arguments (and its name) spread over several.

    Parallel calls each have an `index` of their own.
    """
    made = call(name, arguments, id=id, split=split, split_name=split_name)
    return [_by_hand(delta) for delta in _call_deltas(made, index)]


def finish_chunk(reason: FinishReason = "stop") -> dict[str, Any]:
    """The chunk with the finish reason."""
    return _by_hand({}, reason)


def usage_chunk(usage: Usage = Usage()) -> dict[str, Any]:  # noqa: B008  frozen
    """The chunk with no choices that bears the usage."""
    return {**_by_hand({}), "choices": [], "usage": usage_object(usage)}


def usage_object(usage: Usage) -> dict[str, Any]:
    """Usage in this dialect's words."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.cache_write,
            "audio_tokens": usage.audio_input,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
            "accepted_prediction_tokens": usage.accepted_prediction,
            "rejected_prediction_tokens": usage.rejected_prediction,
        },
    }


class ChatCompletions(Dialect):
    """`POST /v1/chat/completions`."""

    name = "chat_completions"

    @override
    def stream(self, answer: Answer, request: Request) -> Iterator[bytes | Step]:
        return _Stream(answer, request).events()

    @override
    def completion(self, answer: Answer, request: Request) -> JSON:
        body = _frame("chat.completion", answer.id or new_id("chatcmpl-"), answer.model or request.model)
        body["choices"] = [
            {"index": 0, "message": _message(answer), "logprobs": None, "finish_reason": answer.finish_reason}
        ]
        return body | ({"usage": usage_object(answer.usage)} if answer.usage else {})

    @override
    def event(self, data: Mapping[str, Any]) -> bytes:
        return sse.encode(msgspec.json.encode(data))

    @override
    def error_event(self, error: ErrorEvent) -> bytes:
        return self.event(error_object(Error(500, error.message, error.type, error.code)))

    @override
    def error_body(self, error: Error) -> JSON:
        return error_object(error)

    @override
    def tool_results(self, messages: list[JSON]) -> dict[str, str]:
        return {
            message["tool_call_id"]: plain(message.get("content"))
            for message in messages
            if message.get("role") == "tool"
        }

    @override
    def memory(self) -> Memory:
        return ChatMemory()


class _Stream:
    """One answer's chunks: they share id, model and time."""

    def __init__(self, answer: Answer, request: Request) -> None:
        self._answer = answer
        self._frame = _frame("chat.completion.chunk", answer.id or new_id("chatcmpl-"), answer.model or request.model)
        self._reports_usage = request.include_usage and answer.usage is not None
        self._calls = 0

    def events(self) -> Iterator[bytes | Step]:
        first, rest = prelude(self._answer.parts)
        yield from self._parts(first)
        silent = not self._answer.text
        yield self._chunk({"role": "assistant", "content": None if silent else "", "refusal": None})
        yield from self._parts(rest)
        yield self._chunk({}, self._answer.finish_reason)
        if self._reports_usage:
            yield self._encoded([], usage_object(self._answer.usage or Usage()))
        yield DONE

    def _parts(self, parts: Iterable[Part]) -> Iterator[bytes | Step]:
        for part in parts:
            match part:
                case str():
                    yield self._chunk({"content": part})
                case Commentary():
                    yield self._chunk({"content": part.text})
                case Thought():
                    yield self._chunk({"reasoning_content": part.text})
                case Call():
                    yield from map(self._chunk, _call_deltas(part, self._calls))
                    self._calls += 1
                case RedactedThought() | WebSearch():
                    pass  # chat completions have no word for it
                case Raw():
                    yield part.data
                case Grouped():
                    yield b"".join(piece for piece in self._parts(part.pieces) if isinstance(piece, bytes))
                case ErrorEvent():
                    yield CHAT.error_event(part)
                    yield Truncate()
                case step:
                    yield step

    def _chunk(self, delta: dict[str, Any], finish: FinishReason | None = None) -> bytes:
        return self._encoded([_choice(delta, finish)])

    def _encoded(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        chunk = {**self._frame, "choices": choices}
        return CHAT.event({**chunk, "usage": usage} if self._reports_usage else chunk)


def _frame(kind: str, id: str, model: str) -> dict[str, Any]:  # noqa: A002  the field's name in the dialect
    return {
        "id": id,
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
    }


def _choice(delta: dict[str, Any], finish: FinishReason | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _by_hand(delta: dict[str, Any], finish: FinishReason | None = None) -> dict[str, Any]:
    return {**_frame("chat.completion.chunk", "chatcmpl-fake", DEFAULT_MODEL), "choices": [_choice(delta, finish)]}


def _call_deltas(made: Call, index: int) -> Iterator[dict[str, Any]]:
    whole = made.split == 1 and made.split_name == 1
    first, *names = cut(made.name, made.split_name)
    function = {"name": first, "arguments": made.arguments if whole else ""}
    yield {"tool_calls": [{"index": index, "id": made.id, "type": "function", "function": function}]}
    rest = [{"name": name} for name in names]
    rest += [] if whole else [{"arguments": piece} for piece in cut(made.arguments, made.split)]
    for function in rest:
        yield {"tool_calls": [{"index": index, "function": function}]}


def _message(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None, "annotations": []}
    if answer.thoughts:
        message["reasoning_content"] = "".join(answer.thoughts)
    if answer.calls:
        message["tool_calls"] = [
            {"id": made.id, "type": "function", "function": {"name": made.name, "arguments": made.arguments}}
            for made in answer.calls
        ]
    return message


CHAT = ChatCompletions()
