"""Messages: the lifecycle of a stream's named events, and the message object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
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
from aibridge.testing.anthropic_errors import error_object
from aibridge.testing.dialect import Dialect, new_id, plain, prelude
from aibridge.testing.memory import Memory
from aibridge.testing.memory_messages import MessagesMemory
from aibridge.testing.replies import Error
from aibridge.testing.request import Request
from aibridge.testing.steps import ErrorEvent, Raw, Step, Truncate

_PING = {"type": "ping"}


class Messages(Dialect):
    """`POST /v1/messages`."""

    name = "messages"

    @override
    def stream(self, answer: Answer, request: Request) -> Iterator[bytes | Step]:
        return _Lifecycle(answer, request).events()

    @override
    def completion(self, answer: Answer, request: Request) -> JSON:
        lifecycle = _Lifecycle(answer, request)
        for _ in lifecycle.events():
            pass  # a body holds what the stream would have built
        return lifecycle.message

    @override
    def event(self, data: Mapping[str, Any]) -> bytes:
        return sse.encode(msgspec.json.encode(data), str(data.get("type", "")).encode())

    @override
    def error_event(self, error: ErrorEvent) -> bytes:
        return self.event(error_object(Error(500, error.message, error.type)))

    @override
    def error_body(self, error: Error) -> JSON:
        return {**error_object(error), "request_id": new_id("req_")}

    @override
    def identity(self, body: JSON = None) -> dict[str, str]:
        named = body.get("request_id") if isinstance(body, dict) else None  # an error names it in its body too
        return {"request-id": named or new_id("req_")}

    @override
    def tool_results(self, messages: list[JSON]) -> dict[str, str]:
        contents = [message["content"] for message in messages if isinstance(message.get("content"), list)]
        blocks = [block for content in contents for block in content if block.get("type") == "tool_result"]
        return {block["tool_use_id"]: plain(block.get("content")) for block in blocks}

    @override
    def memory(self) -> Memory:
        return MessagesMemory()


def message_usage_object(usage: Usage, searches: int = 0) -> dict[str, Any]:
    """Usage in this dialect's words. `searches`: how many the provider ran."""
    extra = {"output_tokens_details": {"thinking_tokens": usage.reasoning}} if usage.reasoning else {}
    requests = {"web_search_requests": searches, "web_fetch_requests": 0}
    return {
        "input_tokens": max(0, usage.input - usage.cached - usage.cache_write),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write - usage.cache_write_1h,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        **extra,
        **({"server_tool_use": requests} if searches else {}),
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


class _Lifecycle:
    """One answer's way from message_start to message_stop. `message` is the object as it stands."""

    def __init__(self, answer: Answer, request: Request) -> None:
        self._answer = answer
        self._text: dict[str, JSON] | None = None  # the open text block
        self.message: dict[str, Any] = {
            "model": answer.model or request.model,
            "id": answer.id or new_id("msg_"),
            "type": "message",
            "role": "assistant",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
        }

    @property
    def _content(self) -> list[dict[str, JSON]]:
        content: list[dict[str, JSON]] = self.message["content"]
        return content

    def events(self) -> Iterator[bytes | Step]:
        first, rest = prelude(self._answer.parts)
        yield from self._parts(first)
        yield self._start()
        yield from self._parts(rest)
        yield from self._close()
        yield self._stop()
        yield self._event("message_stop")

    def _parts(self, parts: Iterable[Part]) -> Iterator[bytes | Step]:
        for part in parts:
            match part:
                case str():
                    yield from self._say(part)
                case Commentary():
                    yield from self._say(part.text)
                case Thought():
                    yield from self._think(part)
                case RedactedThought():
                    yield from self._block({"type": "redacted_thinking", "data": part.data})
                case Call():
                    yield from self._call(part)
                case WebSearch():
                    yield from self._search(part)
                case Raw():
                    yield part.data
                case Grouped():
                    yield b"".join(piece for piece in self._parts(part.pieces) if isinstance(piece, bytes))
                case ErrorEvent():
                    yield MESSAGES.error_event(part)
                    yield Truncate()
                case step:
                    yield step

    def _start(self) -> bytes:
        """The provider knows what it was asked, and has said one token at most."""
        usage = self._answer.usage
        if usage is None:
            return self._event("message_start", message=self.message)
        self.message["usage"] = message_usage_object(usage, self._searches)
        asked = message_usage_object(replace(usage, output=min(1, usage.output), reasoning=0))
        return self._event("message_start", message={**self.message, "usage": asked})

    def _stop(self) -> bytes:
        reason = self._answer.stop_reason
        details = {"type": "refusal", "category": None, "explanation": None} if reason == "refusal" else None
        stop = {"stop_reason": reason, "stop_sequence": None, "stop_details": details}
        self.message |= stop
        told = ("cache_creation", "service_tier", "inference_geo")  # at the start, once and for all
        usage = {key: value for key, value in self.message.get("usage", {}).items() if key not in told}
        return self._event("message_delta", delta=stop, **({"usage": usage} if usage else {}))

    @property
    def _searches(self) -> int:
        return sum(isinstance(piece, WebSearch) for piece in self._answer.pieces)

    def _say(self, text: str) -> Iterator[bytes]:
        block = self._text
        if block is None:
            self._text = block = {"type": "text", "text": ""}
            yield from self._open(block)
        block["text"] += text
        yield self._delta("text_delta", text=text)

    def _close(self) -> Iterator[bytes]:
        text, self._text = self._text, None
        if text is not None:
            yield self._placed("content_block_stop")

    def _think(self, thought: Thought) -> Iterator[bytes]:
        signature = thought.signature or secret()
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in cut(thought.text, thought.split)]
        deltas.append({"type": "signature_delta", "signature": signature})
        start: dict[str, JSON] = {"type": "thinking", "thinking": "", "signature": ""}
        yield from self._block(start, deltas, thinking=thought.text, signature=signature)

    def _call(self, call: Call) -> Iterator[bytes]:
        start: dict[str, JSON] = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        yield from self._block(start, _input_deltas(call.arguments, call.split), input=_input(call.arguments))

    def _search(self, search: WebSearch) -> Iterator[bytes]:
        id_, asked = new_id("srvtoolu_"), {"query": search.query}
        start: dict[str, JSON] = {"type": "server_tool_use", "id": id_, "name": "web_search", "input": {}}
        deltas = _input_deltas(msgspec.json.encode(asked).decode(), search.split)
        yield from self._block(start, deltas, input=asked)
        yield from self._block({"type": "web_search_tool_result", "tool_use_id": id_, "content": _found(search)})

    def _block(self, block: dict[str, JSON], deltas: Iterable[dict[str, JSON]] = (), **whole: JSON) -> Iterator[bytes]:
        """A block from its start to its end, when it is `whole`."""
        yield from self._close()
        yield from self._open(block)
        for delta in deltas:
            yield self._delta(**delta)
        block |= whole
        yield self._placed("content_block_stop")

    def _open(self, block: dict[str, JSON]) -> Iterator[bytes]:
        self._content.append(block)
        yield self._placed("content_block_start", content_block=block)
        if len(self._content) == 1:
            yield MESSAGES.event(_PING)  # where the provider has it

    def _delta(self, type: str, **fields: JSON) -> bytes:  # noqa: A002  the field's name
        return self._placed("content_block_delta", delta={"type": type, **fields})

    def _placed(self, kind: str, **fields: JSON) -> bytes:
        return self._event(kind, index=len(self._content) - 1, **fields)

    def _event(self, kind: str, **fields: JSON) -> bytes:
        return MESSAGES.event({"type": kind, **fields})


def _input_deltas(arguments: str, split: int) -> list[dict[str, JSON]]:
    return [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *cut(arguments, split))]


def _input(arguments: str) -> JSON:
    try:
        decoded = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _found(search: WebSearch) -> JSON:
    if search.error:
        return {"type": "web_search_tool_result_error", "error_code": search.error}
    return [
        {"type": "web_search_result", "title": title, "url": url, "encrypted_content": secret(), "page_age": None}
        for title, url in search.results
    ]


MESSAGES = Messages()
