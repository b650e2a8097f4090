"""What the model is shown by a request, so that two requests can be compared: is one the other's continuation?

However a client writes it, what means the same to the provider is the same here: a text may be a string or a part,
messages of one role may be one or several, empty members may be missing, cache breakpoints may move. Everything else,
the order of keys too, is kept to the byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from aibridge.model import JSON
from aibridge.testing.fault import objects

Pieces = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class View:
    """One request, in the order in which the provider reads it: each piece is compact JSON.

    `conversation` has a piece for each message of chat completions, item of Responses (those of the previous
    responses too), or content block of messages, which is `[role, block]`.
    """

    tools: Pieces
    instructions: Pieces
    conversation: Pieces

    def continues(self, earlier: View) -> bool:
        """Whether all that the earlier one showed stands here again, unchanged and first, as prompt caches want it."""
        begins = self.conversation[: len(earlier.conversation)] == earlier.conversation
        return begins and (self.tools, self.instructions) == (earlier.tools, earlier.instructions)


def view_of_chat(body: Mapping[str, Any]) -> View:
    """A request for chat completions; its instructions are messages."""
    messages = [{**_lean(message), **_content(message)} for message in objects(body.get("messages"))]
    return View(_tools(body), (), _encoded(messages))


def view_of_messages(body: Mapping[str, Any]) -> View:
    """A request for messages."""
    blocks = [
        [message.get("role"), _block(block)]
        for message in objects(body.get("messages"))
        for block in objects(_parts(message.get("content")))
    ]
    return View(_tools(body), _encoded(map(_block, objects(_parts(body.get("system"))))), _encoded(blocks))


def view_of_responses(body: Mapping[str, Any], items: Sequence[dict[str, JSON]]) -> View:
    """A request for Responses; `items` are its input and what came before. Their ids and states don't count."""
    instructions = body.get("instructions")
    return View(_tools(body), _encoded([instructions] if instructions else []), _encoded(map(_item, items)))


def _tools(body: Mapping[str, Any]) -> Pieces:
    return _encoded(_lean(tool, "cache_control") for tool in objects(body.get("tools")))


def _block(block: dict[str, JSON]) -> dict[str, JSON]:
    lean = _lean(block, "cache_control")
    if block.get("type") != "tool_result":
        return lean
    return {**lean, "content": [_block(part) for part in objects(_parts(block.get("content")))]}


def _item(item: dict[str, JSON]) -> dict[str, JSON]:
    lean = _lean(item, "id", "status")
    if "role" not in item:
        return lean
    said = item["role"] == "assistant"
    parts = objects(_parts(item.get("content"), "output_text" if said else "input_text"))
    return {"type": "message", **lean, "content": [_lean(part) for part in parts]}


def _content(message: dict[str, JSON]) -> dict[str, JSON]:
    parts = [_lean(part) for part in objects(_parts(message.get("content")))]
    return {"content": parts} if parts else {}


def _parts(content: JSON, type: str = "text") -> JSON:  # noqa: A002  the field's name
    return [{"type": type, "text": content}] if isinstance(content, str) else content


def _lean(value: dict[str, JSON], *without: str) -> dict[str, JSON]:
    """The members that say something."""
    return {key: member for key, member in value.items() if member is not None and member != [] and key not in without}


def _encoded(values: Iterable[JSON]) -> Pieces:
    return tuple(msgspec.json.encode(value) for value in values)
