"""How clients tell their history again: hardly any does it in the words of the provider."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby
from typing import Any

from tests.dialects.remembering import Client, History, Retell

Message = dict[str, Any]
Part = dict[str, Any]


def _each(change: Callable[[Message], Message | None]) -> Retell:
    """Changes each message; None drops it."""
    return lambda history: [changed for message in history if (changed := change(message)) is not None]


def _contents(change: Callable[[list[Part]], Any]) -> Retell:
    """Changes the parts of each content; a string is one part."""

    def changed(message: Message) -> Message:
        content = message.get("content")
        if content is None:
            return message
        parts = [{"type": _text_type(message), "text": content}] if isinstance(content, str) else content
        return {**message, "content": change(parts)}

    return _each(changed)


def _text_type(message: Message) -> str:
    if message.get("type") != "message":
        return "text"
    return "output_text" if message["role"] == "assistant" else "input_text"


def _texts(change: Callable[[str], str]) -> Retell:
    return _contents(
        lambda parts: [{**part, "text": change(part["text"])} if "text" in part else part for part in parts]
    )


def _split(parts: list[Part]) -> list[Part]:
    """Each text in two."""
    return [piece for part in parts for piece in (_halves(part) if "text" in part else [part])]


def _halves(part: Part) -> list[Part]:
    first, space, rest = part["text"].partition(" ")
    return [{**part, "text": first + space}, {**part, "text": rest}] if rest else [part]


def _merged(parts: list[Part], glue: str = "") -> list[Part]:
    """Texts that stand side by side as one."""
    merged: list[Part] = []
    for is_text, group in groupby(parts, key=lambda part: "text" in part):
        some = list(group)
        merged += [{**some[0], "text": glue.join(part["text"] for part in some)}] if is_text else some
    return merged


def _string(parts: list[Part]) -> Any:
    return "".join(part["text"] for part in parts) if all("text" in part for part in parts) else parts


def _call_again(message: Message) -> Message:
    """Calls whose arguments were decoded, sorted and written with spaces."""
    calls = message.get("tool_calls", ())
    again = [{**call, "function": {**call["function"], "arguments": _loosely(call)}} for call in calls]
    return {**message, "tool_calls": again} if again else message


def _loosely(call: Message) -> str:
    return json.dumps(json.loads(call["function"]["arguments"]), sort_keys=True, indent=1)


def _silent(message: Message) -> Message:
    return {**message, "content": None} if message.get("tool_calls") else message


def _without(*types: str) -> Callable[[list[Part]], list[Part]]:
    return lambda parts: [part for part in parts if part["type"] not in types]


def _wordless(parts: list[Part]) -> list[Part]:
    return _without("text")(parts) if any(part["type"] == "tool_use" for part in parts) else parts


def _results_in_parts(parts: list[Part]) -> list[Part]:
    return [
        {**part, "content": [{"type": "text", "text": part["content"]}]} if part["type"] == "tool_result" else part
        for part in parts
    ]


def _anonymous(item: Message) -> Message:
    """An item as Codex sends it: with neither id nor status."""
    return {key: value for key, value in item.items() if key not in ("id", "status")}


def _easy(item: Message) -> Message:
    """A message in short."""
    if item.get("type") != "message":
        return item
    return {"role": item["role"], "content": _string(item["content"])}


def _thoughtless(item: Message) -> Message | None:
    return None if item.get("type") == "reasoning" else _anonymous(item)


def _one_message(history: History) -> History:
    """All messages of an answer as one; thoughts and calls behind it."""
    told: History = []
    for is_said, group in groupby(history, key=lambda item: item.get("role") == "assistant"):
        some = list(group)
        texts = [_string(item["content"]) for item in some] if is_said else []
        told += [{"role": "assistant", "content": "".join(texts)}] if texts else some
    return told


def _is_said(item: Message) -> bool:
    return item.get("role") == "assistant" or item.get("type") == "function_call"


def _calls_alone(history: History) -> History:
    """No words beside calls."""
    told: History = []
    for is_said, group in groupby(history, key=_is_said):
        some = list(group)
        calling = is_said and any(item["type"] == "function_call" for item in some)
        told += [item for item in some if not (calling and "role" in item)]
    return told


RETELLINGS: dict[str, dict[str, Retell]] = {
    "chat": {
        "in parts": _contents(lambda parts: parts),
        "in words": _contents(_split),
        "trimmed": _texts(str.strip),
        "padded": _texts(lambda text: f" {text}\n"),
        "calls encoded again": _each(_call_again),
        "silent calls": _each(_silent),
    },
    "messages": {
        "in strings": _contents(_string),
        "merged": _contents(_merged),
        "merged, a line each": _contents(lambda parts: _merged(parts, "\n")),
        "in words": _contents(_split),
        "trimmed": _texts(str.strip),
        "results in parts": _contents(_results_in_parts),
        "without thoughts": _contents(_without("thinking")),
        "silent calls": _contents(_wordless),
        "without thoughts, in strings": _contents(lambda parts: _string(_without("thinking")(parts))),
    },
    "responses": {
        "anonymous": _each(_anonymous),
        "in short": _each(_easy),
        "trimmed": _texts(str.strip),
        "in words": _contents(_split),
        "without thoughts": _each(_thoughtless),
        "one message": lambda history: _one_message(_each(_thoughtless)(history)),
        "silent calls": lambda history: _calls_alone(_each(_thoughtless)(history)),
    },
}
"""By the client's name, then by what is done. None of them loses what the provider could not do without."""


def retellings(clients: list[type[Client]]) -> list[tuple[type[Client], str]]:
    return [(client, how) for client in clients for how in RETELLINGS[str(client.name)]]
