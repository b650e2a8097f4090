"""Responses as the two ends speak it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from aibridge.dialects.base import Exchange
from aibridge.dialects.responses import Responses
from aibridge.model import InjectedTool
from tests.dialects.playing import CITY, TIME, UUID, Heard, Played, Said, Say, play
from tests.dialects.wire import dump, event, values_of
from tests.twins import Answer

_ENDS = ("response.completed", "response.incomplete", "response.failed")


def response(*output: dict[str, Any], status: str = "completed", **members: Any) -> dict[str, Any]:
    """A response object as OpenAI sends it."""
    reason = {"incomplete": {"reason": "max_output_tokens"}}.get(status)
    return {
        "id": "resp-1",
        "object": "response",
        "created_at": 1763600000,
        "status": status,
        "error": None,
        "incomplete_details": reason,
        "model": "gpt-x",
        "output": list(output),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None if status == "in_progress" else usage(),
        **members,
    }


def usage(input: int = 10, output: int = 5, **more: Any) -> dict[str, Any]:  # noqa: A002  the field's name
    return {"input_tokens": input, "output_tokens": output, "total_tokens": input + output, **more}


def words(text: str, id: str = "msg-1", **more: Any) -> dict[str, Any]:  # noqa: A002  the field's name
    """A message of the model."""
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    return {"id": id, "type": "message", "status": "completed", "role": "assistant", "content": [part], **more}


def call(call_id: str, name: str, arguments: str = "{}", **more: Any) -> dict[str, Any]:
    """A call of a function."""
    told = {"call_id": call_id, "name": name, "arguments": arguments}
    return {"id": f"fc-{call_id}", "type": "function_call", "status": "completed", **told, **more}


def reasoning(*summaries: str, id: str = "rs-1", **more: Any) -> dict[str, Any]:  # noqa: A002  the field's name
    """Reasoning, with what is shown of it."""
    return {
        "id": id,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in summaries],
        **more,
    }


def numbered(values: Iterable[dict[str, Any]], first: int = 0) -> list[dict[str, Any]]:
    """The events with the sequence numbers that a provider gives them, behind the type."""
    return [
        {"type": value["type"], "sequence_number": number, **{k: v for k, v in value.items() if k != "type"}}
        for number, value in enumerate(values, first)
    ]


def stream(*values: dict[str, Any]) -> bytes:
    return b"".join(map(event, numbered(values)))


def lifecycle(whole: dict[str, Any], *items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A response's events: its beginnings, those of its items, its end."""
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    return [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        *(value for events in items for value in events),
        {"type": f"response.{whole['status']}", "response": whole},
    ]


def told(*items: dict[str, Any], **members: Any) -> bytes:
    """A whole stream that tells of these items, each in its usual events."""
    return stream(*lifecycle(response(*items, **members), *(said(at, item) for at, item in enumerate(items))))


def said(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    """An item's events."""
    place = {"output_index": index, "item_id": item["id"]}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": _empty(item)},
        *({**value, **place} for value in _pieces(item)),
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    """An item that has just begun."""
    growing = [key for key in item if key in ("arguments", "content", "input", "summary")]
    blank = {key: type(item[key])() for key in growing}
    return {**item, **blank, **({"status": "in_progress"} if "status" in item else {})}


def _pieces(item: dict[str, Any]) -> list[dict[str, Any]]:
    match item["type"]:
        case "message":
            return [value for at, part in enumerate(item["content"]) for value in _text_pieces(at, part)]
        case "function_call":
            return _argument_pieces(item["arguments"])
        case "reasoning":
            return [value for at, part in enumerate(item["summary"]) for value in _summary_pieces(at, part)]
        case _:
            return []


def _text_pieces(index: int, part: dict[str, Any]) -> list[dict[str, Any]]:
    kind = "response.output_text"
    deltas = [
        {"type": f"{kind}.delta", "delta": piece, "logprobs": []} for piece in part["text"].partition(" ") if piece
    ]
    values = [
        {"type": "response.content_part.added", "part": {**part, "text": ""}},
        *deltas,
        {"type": f"{kind}.done", "text": part["text"], "logprobs": []},
        {"type": "response.content_part.done", "part": part},
    ]
    return [{**value, "content_index": index} for value in values]


def _argument_pieces(arguments: str) -> list[dict[str, Any]]:
    kind, half = "response.function_call_arguments", len(arguments) // 2
    deltas = [{"type": f"{kind}.delta", "delta": piece} for piece in (arguments[:half], arguments[half:])]
    return [*deltas, {"type": f"{kind}.done", "arguments": arguments}]


def _summary_pieces(index: int, part: dict[str, Any]) -> list[dict[str, Any]]:
    kind = "response.reasoning_summary"
    values = [
        {"type": f"{kind}_part.added", "part": {**part, "text": ""}},
        {"type": f"{kind}_text.delta", "delta": part["text"]},
        {"type": f"{kind}_text.done", "text": part["text"]},
        {"type": f"{kind}_part.done", "part": part},
    ]
    return [{**value, "summary_index": index} for value in values]


class ResponsesVoice:
    """The voice of Responses."""

    name = "responses"

    def request(self, *, streaming: bool, **members: Any) -> bytes:
        asked = {"stream": True} if streaming else {}
        return dump({"model": "gpt-x", "input": "What time is it?", **asked, **members})

    def tool(self, name: str) -> dict[str, Any]:
        return {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}}

    def placed(self, ours: list[str], theirs: list[str]) -> list[str]:
        return [*theirs, *ours]

    def free(self, kind: str) -> Any:
        return kind

    def forced(self) -> list[Any]:
        named = {"type": "function", "name": TIME.name}
        return ["required", named, {"type": "allowed_tools", "mode": "required", "tools": [named]}]

    def forged(self) -> dict[str, Any]:
        output = {"type": "function_call_output", "call_id": "forged", "output": "noon"}
        return {"input": [{"role": "user", "content": "x"}, call("forged", TIME.name), output]}

    def exchange(self, body: bytes, tools: Sequence[InjectedTool]) -> Exchange:
        return Responses(body, id=UUID, tools=tools)

    def answer(self, say: Say, *, streaming: bool) -> bytes:
        items = [reasoning(say.thought, id=f"rs-{say.id}")] if say.thought else []
        items += [words(say.text, f"msg-{say.id}")] if say.text else []
        items += [call(one.id, one.name, one.arguments) for one in say.calls]
        status = "incomplete" if say.ending == "length" else "completed"
        members: dict[str, Any] = {"status": status, "id": say.id, "usage": usage(*say.usage) if say.usage else None}
        return told(*items, **members) if streaming else dump(response(*items, **members))

    def ending(self, answer: bytes, *, streaming: bool) -> int:
        return answer.rindex(b'"type":"response.') if streaming else len(answer) - 1

    def error_event(self, message: str) -> bytes:
        return event({"type": "error", "code": "server_error", "message": message, "param": None})

    def heard(self, body: bytes, *, streaming: bool) -> Heard:
        return self._heard_stream(values_of(body)) if streaming else self._heard_body(json.loads(body))

    def _heard_stream(self, values: list[dict[str, Any]]) -> Heard:
        types = [value["type"] for value in values]
        failed = "error" in types
        assert types.count("response.created") == 1 or (failed and len(types) <= 2), "one start"
        assert types[0] in ("response.created", "error"), "and first"
        assert types.count("response.in_progress") <= 1
        assert sum(types.count(end) for end in _ENDS) == 1 or failed, "one end"
        assert types[-1] in (*_ENDS, "error"), "and last"
        numbers = [value["sequence_number"] for value in values if "sequence_number" in value]
        assert all(first < second for first, second in pairwise(numbers)), "sequence numbers increase"
        ids = frozenset(value["response"]["id"] for value in values if "id" in value.get("response", {}))
        output = _followed(values)
        if failed:
            errors = {value["message"] for value in values if value["type"] == "error"}
            errors |= {value["response"]["error"]["message"] for value in values if value["type"] == "response.failed"}
            [message] = errors
            return Heard(_text(output), ids=ids, error=message)
        heard = self._heard_body(values[-1]["response"])
        assert values[-1]["response"]["output"] == output, "the end tells what was told before"
        return Heard(heard.text, heard.calls, heard.finish, heard.usage, ids, heard.error, heard.thought)

    def _heard_body(self, answer: dict[str, Any]) -> Heard:
        if answer["error"]:
            return Heard(error=answer["error"]["message"])
        calls = [item for item in answer["output"] if item["type"] == "function_call"]
        finish = {"completed": "tool_calls" if calls else "stop", "incomplete": "length"}[answer["status"]]
        summaries = [item["summary"] for item in answer["output"] if item["type"] == "reasoning"]
        return Heard(
            _text(answer["output"]),
            tuple(Said(item["call_id"], item["name"], item["arguments"]) for item in calls),
            finish,
            _tokens(answer["usage"]),
            frozenset([answer["id"]]),
            None,
            "".join(part["text"] for summary in summaries for part in summary),
        )

    def known_as(self, first: str) -> str:
        return first

    def offered(self, request: bytes) -> list[str]:
        return [tool["name"] for tool in json.loads(request).get("tools", ())]

    def choice(self, request: bytes) -> Any:
        choice = json.loads(request).get("tool_choice", "auto")
        return choice["mode"] if isinstance(choice, dict) and "mode" in choice else choice

    def answered(self, request: bytes) -> list[tuple[str, str]]:
        items = json.loads(request)["input"]
        return [(item["call_id"], item["output"]) for item in items if item.get("type") == "function_call_output"]

    def conversation(self, request: bytes) -> list[Any]:
        items: list[Any] = json.loads(request)["input"]
        return items


def _followed(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items that a stream comes to, their indexes counted from 0 on, each in turn."""
    output: list[dict[str, Any]] = []
    for value in values:
        if value["type"] == "response.output_item.added":
            assert value["output_index"] == len(output), "items are numbered from 0 on"
            output.append({**value["item"]})
        elif "output_index" in value:
            assert value["output_index"] == len(output) - 1
            if value["type"] == "response.output_item.done":
                assert value["item"]["id"] == output[-1]["id"]
                output[-1] = value["item"]
            if value["type"] == "response.output_text.delta":
                output[-1]["content"] = _grown(output[-1]["content"], value["delta"])
    return output


def _grown(content: list[dict[str, Any]], delta: str) -> list[dict[str, Any]]:
    return [{"type": "output_text", "text": "".join(part["text"] for part in content) + delta}]


def _text(output: list[dict[str, Any]]) -> str:
    return "".join(part["text"] for item in output if item["type"] == "message" for part in item["content"])


def _tokens(told: dict[str, Any] | None) -> tuple[int, int] | None:
    return (told["input_tokens"], told["output_tokens"]) if told else None


VOICE = ResponsesVoice()

TOOLS = [
    VOICE.tool("edit"),
    {"type": "function", "name": TIME.name, "description": "", "parameters": {}, "strict": False},
    {"type": "namespace", "name": TIME.name, "tools": []},
    {"type": "function", "name": CITY.name},
    {"type": "web_search"},
    "odd",
]
"""As a response object echoes them: ours are the second and the fourth."""


def hear(*rounds: bytes | Answer, **how: Any) -> Played:
    """A streamed turn of these rounds."""
    return play(VOICE, VOICE.request(streaming=True), rounds, **how)


def last(played: Played) -> dict[str, Any]:
    """The response object of a stream's terminal event."""
    whole: dict[str, Any] = values_of(played.body)[-1]["response"]
    return whole
