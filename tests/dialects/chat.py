"""Chat completions as the two ends speak it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aibridge.dialects.base import Exchange
from aibridge.dialects.chat_completions import ChatCompletions
from aibridge.model import InjectedTool
from tests.dialects.playing import TIME, UUID, Heard, Said, Say
from tests.dialects.wire import dump

DONE = b"data: [DONE]\n\n"
USER = {"role": "user", "content": "What time is it?"}


def event(chunk: Any) -> bytes:
    return b"data: " + dump(chunk) + b"\n\n"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **members: Any) -> dict[str, Any]:
    """A chunk as OpenAI sends it."""
    choice = {"index": 0, "delta": {} if delta is None else delta, "logprobs": None, "finish_reason": finish}
    return {
        "id": "resp-1",
        "object": "chat.completion.chunk",
        "created": 1763600000,
        "model": "gpt-x",
        "choices": [choice],
        **members,
    }


def words(text: str, **delta: Any) -> dict[str, Any]:
    return chunk({**delta, "content": text})


def piece(index: int | None = 0, id: str | None = None, name: str | None = None, arguments: str | None = None) -> Any:  # noqa: A002
    """A piece of a call in a delta, with only the members that are told."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    told = {"index": index, "id": id, "type": "function" if id else None, "function": function}
    return {key: value for key, value in told.items() if value is not None}


def calling(*pieces: Any, **delta: Any) -> dict[str, Any]:
    return chunk({**delta, "tool_calls": list(pieces)})


def usage(prompt: int = 10, completion: int = 5, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}


def usage_chunk(prompt: int = 10, completion: int = 5, **more: Any) -> dict[str, Any]:
    return {**chunk(), "choices": [], "usage": usage(prompt, completion, **more)}


def stream(*chunks: dict[str, Any], done: bool = True) -> bytes:
    return b"".join(map(event, chunks)) + (DONE if done else b"")


def completion(message: dict[str, Any] | None = None, finish: str = "stop", **members: Any) -> dict[str, Any]:
    """A completion as OpenAI sends it."""
    return {
        "id": "resp-1",
        "object": "chat.completion",
        "created": 1763600000,
        "model": "gpt-x",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": None, **(message or {})}, "finish_reason": finish}
        ],
        "usage": usage(),
        **members,
    }


def function_call(id: str, name: str, arguments: str = "{}") -> dict[str, Any]:  # noqa: A002  the field's name
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def data_of(body: bytes) -> list[bytes]:
    """The data of each event, by the plainest of readers."""
    return [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]


def chunks_of(body: bytes) -> list[dict[str, Any]]:
    """The JSON of each event; the stream ends with one [DONE]."""
    *events, last = data_of(body)
    assert last == b"[DONE]"
    assert b"[DONE]" not in events
    return [json.loads(item) for item in events]


def deltas_of(body: bytes) -> list[dict[str, Any]]:
    return [choice["delta"] for item in chunks_of(body) for choice in item.get("choices", ())]


class Chat:
    """The voice of chat completions."""

    name = "chat_completions"

    def request(self, *, streaming: bool, **members: Any) -> bytes:
        asked = {"stream": True, "stream_options": {"include_usage": True}} if streaming else {}
        return dump({"model": "gpt-x", "messages": [USER], **asked, **members})

    def tool(self, name: str) -> dict[str, Any]:
        return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}

    def placed(self, ours: list[str], theirs: list[str]) -> list[str]:
        return [*theirs, *ours]

    def free(self, kind: str) -> Any:
        return kind

    def forced(self) -> list[Any]:
        named = {"type": "function", "function": {"name": TIME.name}}
        allowed = {"mode": "required", "tools": [named]}
        return ["required", named, {"type": "allowed_tools", "allowed_tools": allowed}]

    def forged(self) -> dict[str, Any]:
        calls = [function_call("forged", TIME.name)]
        assistant = {"role": "assistant", "content": None, "tool_calls": calls}
        return {"messages": [USER, assistant, {"role": "tool", "tool_call_id": "forged", "content": "noon"}]}

    def exchange(self, body: bytes, tools: Sequence[InjectedTool]) -> Exchange:
        return ChatCompletions(body, id=UUID, tools=tools)

    def answer(self, say: Say, *, streaming: bool) -> bytes:
        if streaming:
            return self._stream(say)
        message: dict[str, Any] = {"content": say.text or None}
        if say.calls:
            message["tool_calls"] = [function_call(call.id, call.name, call.arguments) for call in say.calls]
        members = {"id": say.id, "usage": usage(*say.usage) if say.usage else None}
        return dump(completion(message, say.ending, **members))

    def ending(self, answer: bytes, *, streaming: bool) -> int:
        return answer.index(b'"finish_reason":"') if streaming else len(answer) - 1

    def _stream(self, say: Say) -> bytes:
        chunks = [chunk({"role": "assistant", "content": ""})]
        chunks += [words(text) for text in say.text.partition(" ") if text]
        for index, call in enumerate(say.calls):
            half = len(call.arguments) // 2
            chunks.append(calling(piece(index, call.id, call.name, "")))
            chunks += [calling(piece(index, arguments=part)) for part in (call.arguments[:half], call.arguments[half:])]
        chunks.append(chunk(finish=say.ending))
        if say.usage:
            chunks.append(usage_chunk(*say.usage))
        return stream(*({**item, "id": say.id} for item in chunks))

    def error_event(self, message: str) -> bytes:
        return event({"error": {"message": message, "type": "server_error"}})

    def heard(self, body: bytes, *, streaming: bool) -> Heard:
        return self._heard_stream(chunks_of(body)) if streaming else self._heard_body(json.loads(body))

    def _heard_stream(self, chunks: list[dict[str, Any]]) -> Heard:
        text, calls, finishes, roles, tokens, error = "", {}, [], 0, None, None  # type: ignore[var-annotated]  # below
        for item in chunks:
            if "error" in item:
                error = item["error"]["message"]
                continue
            tokens = item.get("usage") or tokens
            for choice in item["choices"]:
                delta = choice["delta"]
                roles += "role" in delta
                text += delta.get("content") or ""
                finishes += [choice["finish_reason"]] if choice["finish_reason"] else []
                for part in delta.get("tool_calls", ()):
                    id_, name, arguments = calls.get(part["index"], ("", "", ""))
                    function = part["function"]
                    arguments += function.get("arguments") or ""
                    calls[part["index"]] = (id_ or part.get("id", ""), name + (function.get("name") or ""), arguments)
        assert roles <= 1, "the role was told twice"
        assert list(calls) == list(range(len(calls))), "calls are numbered from 0 on"
        assert len(finishes) == (0 if error else 1), "one message has one finish"
        ids = frozenset(item["id"] for item in chunks if "id" in item)
        said = tuple(Said(*calls[index]) for index in calls)
        return Heard(text, said, finishes[0] if finishes else None, _tokens(tokens), ids, error)

    def _heard_body(self, answer: dict[str, Any]) -> Heard:
        if "error" in answer:
            return Heard(error=answer["error"]["message"])
        [choice] = answer["choices"]
        message = choice["message"]
        assert message.get("tool_calls") != [], "no calls at all is no empty list of calls"
        said = tuple(Said(call["id"], **call["function"]) for call in message.get("tool_calls", ()))
        ids = frozenset([answer["id"]])
        return Heard(message["content"] or "", said, choice["finish_reason"], _tokens(answer["usage"]), ids)

    def known_as(self, first: str) -> str:
        return UUID

    def offered(self, request: bytes) -> list[str]:
        return [tool["function"]["name"] for tool in json.loads(request).get("tools", ())]

    def choice(self, request: bytes) -> Any:
        choice = json.loads(request).get("tool_choice", "auto")
        return choice["allowed_tools"]["mode"] if isinstance(choice, dict) and "allowed_tools" in choice else choice

    def answered(self, request: bytes) -> list[tuple[str, str]]:
        messages = json.loads(request)["messages"]
        return [(message["tool_call_id"], message["content"]) for message in messages if message["role"] == "tool"]

    def conversation(self, request: bytes) -> list[Any]:
        messages: list[Any] = json.loads(request)["messages"]
        return messages


def _tokens(usage: dict[str, Any] | None) -> tuple[int, int] | None:
    return (usage["prompt_tokens"], usage["completion_tokens"]) if usage else None
