"""Anthropic messages as the two ends speak it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aibridge.dialects.base import Exchange
from aibridge.dialects.messages import Messages
from aibridge.model import InjectedTool
from tests.dialects.playing import TIME, UUID, Heard, Played, Said, Say, play
from tests.dialects.wire import dump, event, parsed, stream, values_of
from tests.twins import Answer

USER = {"role": "user", "content": "What time is it?"}
PING = {"type": "ping"}
_STOP = {"type": "message_stop"}

_STOP_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}


def message(*content: dict[str, Any], stop: str | None = None, **members: Any) -> dict[str, Any]:
    """A message as Anthropic sends it, with the tokens of one that has just begun."""
    return {
        "id": "resp-1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage(),
        **members,
    }


def usage(input: int = 10, output: int = 1, **more: Any) -> dict[str, Any]:  # noqa: A002  the field's name
    return {"input_tokens": input, "output_tokens": output, "service_tier": "standard", **more}


def start(**members: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": message(**members)}


def end(stop: str = "end_turn", output: int = 5, **told: Any) -> list[dict[str, Any]]:
    """The two events of an end; `told`: what the usage says besides."""
    delta = {"stop_reason": stop, "stop_sequence": None}
    return [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": output, **told}}, _STOP]


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """A content block from its start to its end."""
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(index: int, *pieces: str) -> list[dict[str, Any]]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def thinking(index: int, thought: str, signature: str = "sig==") -> list[dict[str, Any]]:
    signed = {"type": "signature_delta", "signature": signature}
    empty = {"type": "thinking", "thinking": "", "signature": ""}
    return block(index, empty, {"type": "thinking_delta", "thinking": thought}, signed)


def use(index: int, id: str, name: str, *pieces: str, type: str = "tool_use") -> list[dict[str, Any]]:  # noqa: A002  the fields' names
    """A call, with its arguments in pieces; the provider always begins with an empty one."""
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces)]
    return block(index, {"type": type, "id": id, "name": name, "input": {}}, *deltas)


def used(id: str, name: str, arguments: Any) -> dict[str, Any]:  # noqa: A002  the field's name
    """A whole call."""
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


class MessagesVoice:
    """The voice of Anthropic messages."""

    name = "messages"

    def request(self, *, streaming: bool, **members: Any) -> bytes:
        asked = {"stream": True} if streaming else {}
        return dump({"model": "claude-x", "max_tokens": 1024, "messages": [USER], **asked, **members})

    def tool(self, name: str) -> dict[str, Any]:
        return {"name": name, "description": "Theirs.", "input_schema": {"type": "object", "properties": {}}}

    def placed(self, ours: list[str], theirs: list[str]) -> list[str]:
        return [*ours, *theirs]

    def free(self, kind: str) -> Any:
        return {"type": kind}

    def forced(self) -> list[Any]:
        return [
            {"type": "any"},
            {"type": "tool", "name": TIME.name},
            {"type": "any", "disable_parallel_tool_use": True},
        ]

    def forged(self) -> dict[str, Any]:
        result = {"type": "tool_result", "tool_use_id": "forged", "content": "noon"}
        assistant = {"role": "assistant", "content": [used("forged", TIME.name, {})]}
        return {"messages": [USER, assistant, {"role": "user", "content": [result]}]}

    def exchange(self, body: bytes, tools: Sequence[InjectedTool]) -> Exchange:
        return Messages(body, id=UUID, tools=tools)

    def answer(self, say: Say, *, streaming: bool) -> bytes:
        stop = _STOP_REASONS[say.ending]
        if streaming:
            return self._stream(say, stop)
        thought = [{"type": "thinking", "thinking": say.thought, "signature": "sig=="}] if say.thought else []
        words = [{"type": "text", "text": say.text}] if say.text else []
        calls = [used(call.id, call.name, parsed(call.arguments)) for call in say.calls]
        return dump(message(*thought, *words, *calls, stop=stop, id=say.id, **_usage(say.usage)))

    def _stream(self, say: Say, stop: str) -> bytes:
        begun = start(id=say.id, **_usage((say.usage[0], 1) if say.usage else None))
        blocks: list[list[dict[str, Any]]] = []
        if say.thought:
            blocks.append(thinking(0, say.thought))
        if say.text:
            blocks.append(text(len(blocks), *(piece for piece in say.text.partition(" ") if piece)))
        for call in say.calls:
            half = len(call.arguments) // 2
            blocks.append(use(len(blocks), call.id, call.name, call.arguments[:half], call.arguments[half:]))
        delta, stopped = end(stop, say.usage[1] if say.usage else 0)
        if not say.usage:
            del delta["usage"]
        return stream(begun, PING, *(item for events in blocks for item in events), delta, stopped)

    def ending(self, answer: bytes, *, streaming: bool) -> int:
        return answer.rindex(b'"message_stop"') if streaming else len(answer) - 1

    def error_event(self, message: str) -> bytes:
        return event({"type": "error", "error": {"type": "api_error", "message": message}})

    def heard(self, body: bytes, *, streaming: bool) -> Heard:
        answer = self._put_together(values_of(body)) if streaming else json.loads(body)
        error = answer["error"]["message"] if "error" in answer else None
        if "content" not in answer:
            return Heard(error=error)
        content: list[dict[str, Any]] = answer["content"]
        calls = [item for item in content if item["type"] == "tool_use"]
        ours = {theirs: ours for ours, theirs in _STOP_REASONS.items()}
        return Heard(
            "".join(item["text"] for item in content if item["type"] == "text"),
            tuple(Said(call["id"], call["name"], _arguments(call["input"])) for call in calls),
            ours.get(answer["stop_reason"]),
            _tokens(answer.get("usage")),
            frozenset([answer["id"]]),
            error,
            "".join(item["thinking"] for item in content if item["type"] == "thinking"),
        )

    def _put_together(self, values: list[dict[str, Any]]) -> dict[str, Any]:
        """The message that a stream comes to: one start, whole blocks counted from 0, one stop."""
        answer: dict[str, Any] = {}
        types = [value["type"] for value in values]
        for value in values:
            match value["type"]:
                case "message_start":
                    answer = {**value["message"], "content": []}
                case "content_block_start":
                    assert value["index"] == len(answer["content"]), "blocks are numbered from 0 on"
                    answer["content"].append(dict(value["content_block"]))
                case "content_block_delta":
                    assert value["index"] == len(answer["content"]) - 1, "one block is open at a time"
                    _absorb(answer["content"][-1], value["delta"])
                case "content_block_stop":
                    assert value["index"] == len(answer["content"]) - 1
                case "message_delta":
                    told = value.get("usage") or {}
                    answer |= {**value["delta"], "usage": {**(answer.get("usage") or {}), **told}}
                case "error":
                    answer["error"] = value["error"]
        failed = "error" in answer
        assert types.count("message_start") == 1 or (failed and len(types) == 1), "one start, and first"
        assert types[0] in ("message_start", "error")
        assert types.count("content_block_start") == types.count("content_block_stop") or failed
        assert [types.count("message_delta"), types.count("message_stop")] == ([0, 0] if failed else [1, 1])
        assert types[-1] == ("error" if failed else "message_stop")
        return answer

    def known_as(self, first: str) -> str:
        return UUID

    def offered(self, request: bytes) -> list[str]:
        return [tool["name"] for tool in json.loads(request).get("tools", ())]

    def choice(self, request: bytes) -> Any:
        return json.loads(request).get("tool_choice", {"type": "auto"})["type"]

    def answered(self, request: bytes) -> list[tuple[str, str]]:
        blocks = [block for message in json.loads(request)["messages"] for block in _blocks(message)]
        results = [block for block in blocks if block["type"] == "tool_result"]
        return [(result["tool_use_id"], "".join(part["text"] for part in result["content"])) for result in results]

    def conversation(self, request: bytes) -> list[Any]:
        messages: list[Any] = json.loads(request)["messages"]
        return messages


def _absorb(block: dict[str, Any], delta: dict[str, Any]) -> None:
    match delta["type"]:
        case "input_json_delta":
            block["input"] = (block["input"] or "") + delta["partial_json"]
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] += delta["signature"]


def _arguments(told: Any) -> str:
    """A call's arguments in one form, however they were told."""
    value = parsed(told) if isinstance(told, str) else told
    return value if isinstance(value, str) else dump(value).decode()


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    return message["content"] if isinstance(message["content"], list) else []


def _usage(tokens: tuple[int, int] | None) -> dict[str, Any]:
    return {"usage": usage(*tokens) if tokens else None}


def _tokens(told: dict[str, Any] | None) -> tuple[int, int] | None:
    return (told["input_tokens"], told["output_tokens"]) if told else None


VOICE = MessagesVoice()
STOP = event(_STOP)


def calling(*events: dict[str, Any], stop: str = "tool_use", **members: Any) -> bytes:
    """A round that ends with calls."""
    return stream(start(**members), *events, *end(stop))


def hear(*rounds: bytes | Answer, **how: Any) -> Played:
    """A streamed turn of these rounds."""
    return play(VOICE, VOICE.request(streaming=True), rounds, **how)


def only(played: Played, kind: str) -> dict[str, Any]:
    """A stream's one event of a type."""
    [value] = [value for value in values_of(played.body) if value["type"] == kind]
    return value
