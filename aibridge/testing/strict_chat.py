"""What OpenAI refuses in a request for chat completions, and in which words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aibridge.model import JSON
from aibridge.testing.fault import Fault, objects, repeated
from aibridge.testing.strict_tools import empty, missing, name_faults, tool_faults, wrong_type

Body = Mapping[str, Any]
Message = dict[str, Any]

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")


def faults(body: Body) -> list[Fault]:
    """All that is wrong with the request; the first is what the provider would say."""
    shape = [*_shape(body)]
    if shape:
        return shape
    messages: list[Message] = body["messages"]
    return [*_calls(messages), *_answers(messages), *_tools(body)]


def _shape(body: Body) -> Iterator[Fault]:
    if not isinstance(body.get("model"), str):
        yield Fault("you must provide a model parameter")
    messages = body.get("messages")
    if messages is None:
        yield missing("messages")
    elif not isinstance(messages, list):
        yield wrong_type("messages", "an array of objects", messages)
    elif not messages:
        yield empty("messages")
    else:
        for number, message in enumerate(messages):
            yield from _message(f"messages[{number}]", message)


def _message(place: str, message: JSON) -> Iterator[Fault]:
    if not isinstance(message, dict):
        yield wrong_type(place, "an object", message)
        return
    role = message.get("role")
    if role not in _ROLES:
        names = ", ".join(f"'{name}'" for name in _ROLES[:-1])
        told = f"Invalid value: '{role}'. Supported values are: {names}, and '{_ROLES[-1]}'."
        yield Fault(told, f"{place}.role", "invalid_value")
    if message.get("tool_calls") is not None:
        yield from _tool_calls(f"{place}.tool_calls", message["tool_calls"])
    elif message.get("content") is None and not (message.get("function_call") or message.get("audio")):
        yield Fault("Invalid value for 'content': expected a string, got null.", f"{place}.content")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        yield missing(f"{place}.tool_call_id")


def _tool_calls(place: str, calls: JSON) -> Iterator[Fault]:
    if not isinstance(calls, list):
        yield wrong_type(place, "an array of objects", calls)
    elif not calls:
        yield empty(place)
    else:
        for number, call in enumerate(calls):
            yield from _tool_call(f"{place}[{number}]", call)


def _tool_call(place: str, call: JSON) -> Iterator[Fault]:
    if not isinstance(call, dict):
        yield wrong_type(place, "an object", call)
    elif not isinstance(call.get("id"), str):
        yield missing(f"{place}.id")
    elif call.get("type") == "function":
        function = _function(call)
        yield from name_faults(f"{place}.function.name", function.get("name"))
        if not isinstance(function.get("arguments"), str):
            yield wrong_type(f"{place}.function.arguments", "a string", function.get("arguments"))
    elif call.get("type") != "custom":
        told = f"Invalid value: '{call.get('type')}'. Supported values are: 'function' and 'custom'."
        yield Fault(told, f"{place}.type", "invalid_value")


def _calls(messages: Sequence[Message]) -> Iterator[Fault]:
    """Every call has its tool message, directly behind the assistant's."""
    for number, message in enumerate(messages):
        answered = {answer["tool_call_id"] for answer in _tool_messages(messages, number + 1)}
        open_ids = [id_ for id_ in _ids(message) if id_ not in answered]
        if open_ids:
            told = (
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: "
            )
            yield Fault(told + ", ".join(open_ids), f"messages.[{number}].role")
    for id_ in repeated(id_ for message in messages for id_ in _ids(message)):
        yield Fault(f"Duplicate value for 'id' of '{id_}' in 'tool_calls'.", "messages")


def _answers(messages: Sequence[Message]) -> Iterator[Fault]:
    """Every tool message has its call, in the assistant's message before it, and is the only one."""
    called: list[str] = []
    answered: list[str] = []
    for number, message in enumerate(messages):
        if message["role"] == "tool":
            yield from _answer(number, message["tool_call_id"], called, answered)
            answered.append(message["tool_call_id"])
        else:
            called, answered = _ids(message), []


def _answer(number: int, id_: str, called: Sequence[str], answered: Sequence[str]) -> Iterator[Fault]:
    if not called:
        told = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
        yield Fault(f"Invalid parameter: {told}", f"messages.[{number}].role")
    elif id_ not in called:
        told = f"Invalid parameter: 'tool_call_id' of '{id_}' not found in 'tool_calls' of previous message."
        yield Fault(told, f"messages.[{number}].tool_call_id")
    elif id_ in answered:
        yield Fault(f"Duplicate value for 'tool_call_id' of '{id_}'.", f"messages.[{number}].tool_call_id")


def _tool_messages(messages: Sequence[Message], start: int) -> Iterator[Message]:
    for message in messages[start:]:
        if message["role"] != "tool":
            return
        yield message


def _ids(message: Message) -> list[str]:
    return [call["id"] for call in message.get("tool_calls") or []]


def _tools(body: Body) -> Iterator[Fault]:
    tools = body.get("tools")
    if tools == []:
        yield empty("tools")
    declared = objects(tools)
    functions = [(f"tools[{number}].function", _function(tool)) for number, tool in enumerate(declared)]
    yield from tool_faults(functions)
    if not declared:
        yield from _without_tools(body)
    choice = body.get("tool_choice")
    chosen = _function(choice).get("name") if isinstance(choice, dict) else None
    if chosen and declared and chosen not in [function.get("name") for _, function in functions]:
        yield Fault(f"Tool choice '{chosen}' not found in 'tools' parameter.", "tool_choice")
    if body.get("stream_options") is not None and not body.get("stream"):
        told = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        yield Fault(told, "stream_options")


def _without_tools(body: Body) -> Iterator[Fault]:
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None:
            told = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
            yield Fault(told, name)


def _function(tool: dict[str, Any]) -> dict[str, Any]:
    """What a tool is called by, whatever its kind."""
    declared = tool.get("function") or tool.get("custom")
    return declared if isinstance(declared, dict) else {}
