"""Responses: the lifecycle of a stream's named events, and the response object."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import count
from typing import Any

import msgspec
from typing_extensions import override

from aibridge import sse
from aibridge.model import JSON
from aibridge.testing.answers import (
    Answer,
    Call,
    Commentary,
    Grouped,
    Part,
    RedactedThought,
    Thought,
    Usage,
    WebSearch,
    cut,
    secret,
)
from aibridge.testing.dialect import Dialect, new_id, plain, prelude
from aibridge.testing.memory import Memory
from aibridge.testing.memory_responses import ResponsesMemory
from aibridge.testing.openai_errors import error_object
from aibridge.testing.replies import Error
from aibridge.testing.request import Request
from aibridge.testing.steps import ErrorEvent, Raw, Step, Truncate

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}

# What a response object echoes of its request, and what it says where the request is silent.
_ECHOED: dict[str, JSON] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


class Responses(Dialect):
    """`POST /v1/responses`."""

    name = "responses"

    @override
    def stream(self, answer: Answer, request: Request) -> Iterator[bytes | Step]:
        return _Lifecycle(answer, request).events()

    @override
    def completion(self, answer: Answer, request: Request) -> JSON:
        lifecycle = _Lifecycle(answer, request)
        for _ in lifecycle.events():
            pass  # a body holds what the stream would have built
        return lifecycle.response

    @override
    def event(self, data: Mapping[str, Any]) -> bytes:
        return sse.encode(msgspec.json.encode(data), str(data.get("type", "")).encode())

    @override
    def error_event(self, error: ErrorEvent, sequence_number: int = 0) -> bytes:
        code = error.code or "server_error"
        fields = {"code": code, "message": error.message, "param": None, "sequence_number": sequence_number}
        return self.event({"type": "error", **fields})

    @override
    def error_body(self, error: Error) -> JSON:
        return error_object(error)

    @override
    def tool_results(self, messages: list[JSON]) -> dict[str, str]:
        return {
            item["call_id"]: plain(item.get("output"))
            for item in messages
            if item.get("type") in ("function_call_output", "custom_tool_call_output")
        }

    @override
    def memory(self) -> Memory:
        return ResponsesMemory()


def response_usage_object(usage: Usage) -> dict[str, Any]:
    """Usage in this dialect's words."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }


class _Lifecycle:
    """One answer's way from response.created to its end. `response` is the object as it stands."""

    def __init__(self, answer: Answer, request: Request) -> None:
        self._answer = answer
        self._asked = request.fields
        self._numbers = count()
        self._message: _Message | None = None  # the open one
        self.response = _response(answer, request)

    @property
    def _output(self) -> list[JSON]:
        output: list[JSON] = self.response["output"]
        return output

    def events(self) -> Iterator[bytes | Step]:
        first, rest = prelude(self._answer.parts)
        yield from self._parts(first)
        yield self._event("response.created", response=self.response)
        yield self._event("response.in_progress", response=self.response)
        yield from self._parts(rest)
        yield from self._close()
        yield self._end()

    def _parts(self, parts: Iterable[Part]) -> Iterator[bytes | Step]:
        for part in parts:
            match part:
                case str():
                    yield from self._say(part, None)
                case Commentary():
                    yield from self._say(part.text, "commentary")
                case Thought():
                    yield from self._think(part)
                case RedactedThought():
                    yield from self._think_unseen(part)
                case WebSearch():
                    yield from self._search(part)
                case Call():
                    yield from self._call(part)
                case Raw():
                    yield part.data
                case Grouped():
                    yield b"".join(piece for piece in self._parts(part.pieces) if isinstance(piece, bytes))
                case ErrorEvent():
                    yield from self._fail(part)
                case step:
                    yield step

    def _say(self, text: str, phase: str | None) -> Iterator[bytes]:
        message = self._message
        if message is None or message.phase != phase:
            yield from self._close()
            message = yield from self._open(phase)
        message.text += text
        yield self._event("response.output_text.delta", **message.place, delta=text, logprobs=[])

    def _open(self, phase: str | None) -> Generator[bytes, None, _Message]:
        self._message = message = _Message(len(self._output), phase)
        yield self._added(message.item("in_progress", []))
        yield self._event("response.content_part.added", **message.place, part=_output_text(""))
        return message

    def _close(self) -> Iterator[bytes]:
        message, self._message = self._message, None
        if message is None:
            return
        part = _output_text(message.text)
        yield self._event("response.output_text.done", **message.place, text=message.text, logprobs=[])
        yield self._event("response.content_part.done", **message.place, part=part)
        yield self._done(message.item(self._status, [part]))

    def _think(self, thought: Thought) -> Iterator[bytes]:
        yield from self._close()
        item: dict[str, Any] = {"id": new_id("rs_"), "type": "reasoning", "summary": [], **self._encrypted()}
        part = {"type": "summary_text", "text": thought.text}
        place = {"item_id": item["id"], "output_index": len(self._output), "summary_index": 0}
        yield self._added(item)
        yield self._event("response.reasoning_summary_part.added", **place, part={**part, "text": ""})
        yield self._event("response.reasoning_summary_text.delta", **place, delta=thought.text)
        yield self._event("response.reasoning_summary_text.done", **place, text=thought.text)
        yield self._event("response.reasoning_summary_part.done", **place, part=part)
        yield self._done({**item, "summary": [part]})

    def _think_unseen(self, thought: RedactedThought) -> Iterator[bytes]:
        yield from self._close()
        item = {"id": new_id("rs_"), "type": "reasoning", "summary": [], **self._encrypted(thought.data)}
        yield self._added(item)
        yield self._done(item)

    def _encrypted(self, content: str | None = None) -> dict[str, JSON]:
        """What lets the provider read its reasoning again, where it may not store it or is asked for it."""
        wanted = self._asked.get("store") is False or self._includes("reasoning.encrypted_content")
        return {"encrypted_content": content or secret()} if wanted else {}

    def _includes(self, what: str) -> bool:
        return what in (self._asked.get("include") or ())

    def _search(self, search: WebSearch) -> Iterator[bytes]:
        yield from self._close()
        item: dict[str, Any] = {"id": new_id("ws_"), "type": "web_search_call"}
        place = {"item_id": item["id"], "output_index": len(self._output)}
        yield self._added({**item, "status": "in_progress"})
        for stage in ("in_progress", "searching", "completed"):
            yield self._event(f"response.web_search_call.{stage}", **place)
        action: dict[str, JSON] = {"type": "search", "query": search.query, "queries": [search.query]}
        if self._includes("web_search_call.action.sources"):
            action["sources"] = [{"type": "url", "url": url} for _, url in search.results]
        yield self._done({**item, "status": "failed" if search.error else "completed", "action": action})

    def _call(self, call: Call) -> Iterator[bytes]:
        yield from self._close()
        item = {"id": new_id("fc_"), "type": "function_call", "call_id": call.id, "name": call.name, "arguments": ""}
        place = {"item_id": item["id"], "output_index": len(self._output)}
        yield self._added({**item, "status": "in_progress"})
        for delta in cut(call.arguments, call.split):
            yield self._event("response.function_call_arguments.delta", **place, delta=delta)
        yield self._event("response.function_call_arguments.done", **place, name=call.name, arguments=call.arguments)
        yield self._done({**item, "arguments": call.arguments, "status": self._status})

    def _fail(self, error: ErrorEvent) -> Iterator[bytes | Step]:
        yield RESPONSES.error_event(error, next(self._numbers))
        failure = {"code": error.code or "server_error", "message": error.message}
        self.response |= {"status": "failed", "error": failure}
        yield self._event("response.failed", response=self.response)
        yield Truncate()

    def _end(self) -> bytes:
        reason = _INCOMPLETE.get(self._answer.finish_reason)
        usage = self._answer.usage
        self.response |= {
            "status": self._status,
            "incomplete_details": {"reason": reason} if reason else None,
            "completed_at": None if reason else int(time.time()),
            "usage": response_usage_object(usage) if usage else None,
        }
        return self._event(f"response.{self._status}", response=self.response)

    @property
    def _status(self) -> str:
        return "incomplete" if self._answer.finish_reason in _INCOMPLETE else "completed"

    def _added(self, item: dict[str, Any]) -> bytes:
        return self._event("response.output_item.added", output_index=len(self._output), item=item)

    def _done(self, item: dict[str, Any]) -> bytes:
        self._output.append(item)
        return self._event("response.output_item.done", output_index=len(self._output) - 1, item=item)

    def _event(self, kind: str, **fields: JSON) -> bytes:
        return RESPONSES.event({"type": kind, "sequence_number": next(self._numbers), **fields})


class _Message:
    """A message of the model while its text is coming."""

    def __init__(self, index: int, phase: str | None) -> None:
        self.phase = phase
        self.text = ""
        self.place: dict[str, Any] = {"item_id": new_id("msg_"), "output_index": index, "content_index": 0}

    def item(self, status: str, content: list[JSON]) -> dict[str, Any]:
        phase = {"phase": self.phase} if self.phase else {}
        fields = {"status": status, "role": "assistant", "content": content, **phase}
        return {"id": self.place["item_id"], "type": "message", **fields}


def _output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _response(answer: Answer, request: Request) -> dict[str, Any]:
    asked = request.fields
    return {
        "id": answer.id or new_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": answer.model or request.model,
        "output": [],
        "usage": None,
        **{key: asked.get(key, default) for key, default in _ECHOED.items()},
    }


RESPONSES = Responses()
