"""What OpenAI refuses in a request for Responses, and in which words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from aibridge.model import JSON
from aibridge.testing.fault import Fault, objects, repeated
from aibridge.testing.strict_tools import missing, tool_faults, wrong_type

Body = Mapping[str, Any]
Item = dict[str, Any]

_NOT_FOUND = (
    "Item with id '{}' not found. Items are not persisted when `store` is set to false. "
    "Try again with `store` set to true, or remove this item from your input."
)
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
_STRINGS = {
    "function_call": ("call_id", "name", "arguments"),
    "custom_tool_call": ("call_id", "name", "input"),
    "function_call_output": ("call_id",),
    "custom_tool_call_output": ("call_id",),
}
"""What an item must have, by its type."""


@dataclass
class Said:
    """One response of this provider: what it was told before, and what it said."""

    history: list[Item]
    stored: bool = True
    conversation: str | None = None
    id: str | None = None  # None until the response is complete
    output: list[Item] = field(default_factory=list)


def faults(body: Body, said: Sequence[Said]) -> list[Fault]:
    """All that is wrong with the request; the first is what the provider would say.

    said: all responses that this provider has sent, the latest last.
    """
    shape = [*_shape(body)]
    if shape:
        return shape
    unknown = [*_unknown_chain(body, said), *_unknown_items(body, said)]
    items = history(body, said)
    return unknown or [*_duplicates(items), *_pairs(items), *_reasoning(items, said), *_tools(body)]


def history(body: Body, said: Sequence[Said]) -> list[Item]:
    """The whole conversation of a request: its input, behind the previous responses or its conversation's items.

    A reference stands for its item; a previous response that is not known stands there as its id.
    """
    return [*_past(body, said), *(_referenced(item, said) for item in _input(body))]


def conversation_of(body: Body) -> str | None:
    """The id of the conversation that the request belongs to."""
    conversation = body.get("conversation")
    id_ = conversation.get("id") if isinstance(conversation, dict) else conversation
    return id_ if isinstance(id_, str) else None


def _past(body: Body, said: Sequence[Said]) -> list[Item]:
    previous, conversation = body.get("previous_response_id"), conversation_of(body)
    for one in reversed(said):
        if one.id and (one.conversation == conversation if conversation else one.id == previous):
            return [*one.history, *one.output]
    return [{"type": "previous_response", "previous_response_id": previous}] if previous else []


def _input(body: Body) -> list[Item]:
    given = body.get("input")
    return [{"role": "user", "content": given}] if isinstance(given, str) else objects(given)


def _referenced(item: Item, said: Sequence[Said]) -> Item:
    if item.get("type") != "item_reference":
        return item
    return next((known for known in _items(said) if known.get("id") == item.get("id")), item)


def _items(said: Sequence[Said], *, stored: bool = True) -> list[Item]:
    """What this provider has said, stored or not; by default only what it stored."""
    return [item for one in said for item in one.output if one.stored or not stored]


def _shape(body: Body) -> Iterator[Fault]:
    given = body.get("input")
    if given is None and not any(body.get(name) for name in ("previous_response_id", "prompt", "conversation")):
        told = "One of 'input' or 'previous_response_id' or 'prompt' or 'conversation' must be provided."
        yield Fault(told, "input", "missing_required_parameter")
    elif not isinstance(given, (str, list, type(None))):
        yield wrong_type("input", "one of a string or an array of objects", given)
    elif isinstance(given, list):
        for number, item in enumerate(given):
            yield from _item(f"input[{number}]", item)
    if body.get("previous_response_id") and body.get("conversation"):
        told = "Mutually exclusive parameters: 'previous_response_id' and 'conversation'."
        yield Fault(f"{told} Ensure you are only providing one of them.", None, "mutually_exclusive_parameters")


def _item(place: str, item: JSON) -> Iterator[Fault]:
    if not isinstance(item, dict):
        yield wrong_type(place, "an object", item)
        return
    kind = item.get("type")
    if not isinstance(kind, str):
        if "role" not in item:
            yield missing(f"{place}.type")
        return
    for name in _STRINGS.get(kind, ()):
        if item.get(name) is None:
            yield missing(f"{place}.{name}")
        elif not isinstance(item[name], str):
            yield wrong_type(f"{place}.{name}", "a string", item[name])
    if kind in _OUTPUTS and not isinstance(item.get("output"), (str, list)):
        yield wrong_type(f"{place}.output", "one of a string or an array of objects", item.get("output"))


def _unknown_chain(body: Body, said: Sequence[Said]) -> Iterator[Fault]:
    previous = body.get("previous_response_id")
    if previous and previous not in [one.id for one in said if one.stored]:
        told = f"Previous response with id '{previous}' not found."
        yield Fault(told, "previous_response_id", "previous_response_not_found")


def _unknown_items(body: Body, said: Sequence[Said]) -> Iterator[Fault]:
    """Whatever bears an id was said here; thoughts, and references, that are to be looked up are also stored."""
    everything = _items(said, stored=False)
    known = [item.get("id") for item in everything]
    stored = [item.get("id") for item in _items(said)]
    secrets = [item.get("encrypted_content") for item in everything]
    for item in _input(body):
        id_, kind = item.get("id"), str(item.get("type"))
        if kind == "reasoning" and (secret := item.get("encrypted_content")) is not None:
            if secret not in secrets:
                told = f"The encrypted content for item {id_} could not be verified."
                yield Fault(told, None, "invalid_encrypted_content")
        elif kind in ("reasoning", "item_reference"):
            if id_ not in stored:
                yield Fault(_NOT_FOUND.format(id_), "input")
        elif body.get("store") is not False and _is_said(item) and id_ is not None and id_ not in known:
            yield Fault(_NOT_FOUND.format(id_), "input")


def _is_said(item: Item) -> bool:
    """Whether it is the model who said it."""
    return item.get("role") == "assistant" or str(item.get("type")).endswith("_call")


def _duplicates(items: Sequence[Item]) -> Iterator[Fault]:
    for id_ in repeated(item.get("id") for item in items):
        told = f"Duplicate item found with id {id_}. Remove duplicate items from your input and try again."
        yield Fault(told, "input")
    for id_ in repeated(item.get("call_id") for item in items if _is_said(item)):
        yield Fault(f"Duplicate call found with call_id {id_}.", "input")
    for id_ in repeated(item.get("call_id") for item in items if not _is_said(item)):
        yield Fault(f"Duplicate output found with call_id {id_}.", "input")


def _pairs(items: Sequence[Item]) -> Iterator[Fault]:
    """Every call has its output behind it, and every output its call before it."""
    called: dict[tuple[str, str], str] = {}
    for item in items:
        kind, call_id = str(item.get("type")), item.get("call_id")
        if not isinstance(call_id, str):
            continue
        if kind.endswith("_call"):
            called[f"{kind}_output", call_id] = kind
        elif called.pop((kind, call_id), None) is None:
            words = kind.replace("_", " ")
            yield Fault(f"No tool call found for {words} with call_id {call_id}.", "input")
    for (_, call_id), kind in called.items():
        yield Fault(f"No tool output found for {kind.replace('_', ' ')} {call_id}.", "input")


def _reasoning(items: Sequence[Item], said: Sequence[Said]) -> Iterator[Fault]:
    """Thoughts come back unchanged and with what they led to; and what they led to comes back with them."""
    thoughts = [item for item in _items(said, stored=False) if item.get("type") == "reasoning"]
    pairs = [pair for one in said for pair in pairwise(one.output) if pair[0].get("type") == "reasoning"]
    for before, item, after in zip([None, *items], items, [*items[1:], None], strict=False):
        yield from _altered(item, thoughts)
        for thought, led_to in pairs:
            if _is_same(item, thought) and not _is_same(after, led_to):
                yield _without(item, "following item")
            if _bears(item, led_to) and not _is_same(before, thought):
                yield _without(item, f"'reasoning' item: '{thought.get('id')}'")


def _without(item: Item, what: str) -> Fault:
    kind = item.get("type", "message")
    return Fault(f"Item '{item.get('id')}' of type '{kind}' was provided without its required {what}.", "input")


def _altered(item: Item, thoughts: Sequence[Item]) -> Iterator[Fault]:
    for thought in thoughts:
        for name in ("summary", "encrypted_content"):
            if _bears(item, thought) and item.get(name) not in (None, thought.get(name)):
                yield Fault(f"The {name.replace('_', ' ')} for item {item['id']} could not be verified.", "input")


def _bears(item: Item, said: Item) -> bool:
    """Whether an item bears the id of one that was said."""
    return item.get("id") is not None and item["id"] == said.get("id")


def _is_same(item: Item | None, said: Item) -> bool:
    """Whether an item is one that was said, though the client may have left out its id."""
    if item is None or item.get("id") is not None:
        return item is not None and _bears(item, said)
    alike = all(item.get(name) in (None, said.get(name)) for name in ("call_id", "encrypted_content"))
    return alike and item.get("type", "message") == said.get("type")


def _tools(body: Body) -> Iterator[Fault]:
    tools = objects(body.get("tools"))
    functions = [
        (f"tools[{number}]", tool) for number, tool in enumerate(tools) if tool.get("type") in ("function", "custom")
    ]
    yield from tool_faults(functions)
    yield from _choice(body.get("tool_choice"), tools)


def _choice(choice: JSON, tools: Sequence[Item]) -> Iterator[Fault]:
    if not tools and (choice == "required" or isinstance(choice, dict)):
        yield Fault("Tool choices other than 'auto' and 'none' need 'tools'.", "tool_choice")
    elif isinstance(choice, dict) and choice.get("type") in ("function", "custom"):
        name = choice.get("name")
        if name not in [tool.get("name") for tool in tools]:
            yield Fault(f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice")
