"""The ways in which programs ask with the official client, and what each of them sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openai
from openai.types.chat import ChatCompletion, ChatCompletionMessageToolCallUnion
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

MODEL = "gpt-6"
USAGE = {"include_usage": True}

Call = tuple[str, str, str]
"""A tool call's id, name and arguments."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a question, as far as its asker can tell."""

    id: str
    text: str
    calls: list[Call]
    finish: str | None
    tokens: int | None
    everything: str  # all that came, as JSON

    @property
    def called(self) -> list[str]:
        """The names of the tools that it is to run."""
        return [name for _, name, _ in self.calls]


Ask = Callable[..., Seen]


def blocking(client: openai.OpenAI, *messages: Any, **more: Any) -> Seen:
    """The answer in one piece."""
    return _seen(client.chat.completions.create(model=MODEL, messages=_messages(messages), **more))


def streaming(client: openai.OpenAI, *messages: Any, **more: Any) -> Seen:
    """The answer as it comes, put together by hand."""
    options: Any = {"model": MODEL, "messages": _messages(messages), "stream_options": USAGE, **more}
    with client.chat.completions.create(stream=True, **options) as stream:
        chunks = list(stream)
    choices = [choice for chunk in chunks for choice in chunk.choices]
    usages = [chunk.usage.total_tokens for chunk in chunks if chunk.usage]
    (id_,) = {chunk.id for chunk in chunks}
    return Seen(
        id_,
        "".join(choice.delta.content or "" for choice in choices),
        _joined([part for choice in choices for part in choice.delta.tool_calls or ()]),
        next((choice.finish_reason for choice in choices if choice.finish_reason), None),
        usages[-1] if usages else None,
        "".join(chunk.model_dump_json() for chunk in chunks),
    )


def streaming_helper(client: openai.OpenAI, *messages: Any, **more: Any) -> Seen:
    """The answer as it comes, put together by the client's own helper, which minds every delta."""
    options: Any = {"model": MODEL, "messages": _messages(messages), "stream_options": USAGE, **more}
    with client.chat.completions.stream(**options) as stream:
        return _seen(stream.get_final_completion())


ALL: tuple[Ask, ...] = (blocking, streaming, streaming_helper)


def user(text: str) -> Any:
    """A question."""
    return {"role": "user", "content": text}


def tool(name: str) -> Any:
    """A tool of the client's own."""
    parameters = {"type": "object", "properties": {"path": {"type": "string"}}}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def _messages(messages: tuple[Any, ...]) -> Any:
    return [user(message) if isinstance(message, str) else message for message in messages]


def _seen(completion: ChatCompletion) -> Seen:
    (choice,) = completion.choices
    return Seen(
        completion.id,
        choice.message.content or "",
        [_call(call) for call in choice.message.tool_calls or ()],
        choice.finish_reason,
        completion.usage.total_tokens if completion.usage else None,
        completion.model_dump_json(),
    )


def _call(call: ChatCompletionMessageToolCallUnion) -> Call:
    assert call.type == "function"
    return call.id, call.function.name, call.function.arguments


def _joined(parts: list[ChoiceDeltaToolCall]) -> list[Call]:
    """The calls whose parts came one after the other; they are counted from 0, or the client would miss one."""
    calls: list[Call] = []
    for part in parts:
        assert part.function is not None
        if part.index == len(calls):
            calls.append(("", "", ""))
        id_, name, arguments = calls[part.index]
        found = (part.id or "", part.function.name or "", part.function.arguments or "")
        calls[part.index] = (id_ + found[0], name + found[1], arguments + found[2])
    return calls
