"""What Anthropic refuses in a request for messages, and in which words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from aibridge.model import JSON
from aibridge.testing.fault import Fault, objects, repeated
from aibridge.testing.strict_thinking import thinking_faults

Body = Mapping[str, Any]
Block = dict[str, Any]

MOST_BREAKPOINTS = 4
"""How many blocks may have `cache_control`."""

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_TOOL_USE_ID = re.compile(r"[a-zA-Z0-9_-]+")
_ONE_SIDED = {"tool_use": "assistant", "tool_result": "user", "thinking": "assistant", "redacted_thinking": "assistant"}
"""The blocks that only one of the two may say."""

_SERVER_TOOL_USES = ("server_tool_use", "mcp_tool_use")


class Placed(NamedTuple):
    """A content block and where it stands."""

    place: str  # messages.0.content.1
    message: int
    block: Block


class Turn(NamedTuple):
    """Messages of one role that follow one another: to the provider they are one."""

    role: str
    blocks: list[Placed]


def faults(body: Body, said: Sequence[Sequence[Block]], *, counting: bool = False) -> list[Fault]:
    """All that is wrong with the request; the first is what the provider would say.

    said: the blocks of each message that this provider has sent. counting: the request only asks how many tokens it
    has, so it needs no `max_tokens`.
    """
    shape = [*_shape(body, counting=counting)]
    if shape:
        return shape
    turns = _turns(body["messages"])
    blocks = [(turn.role, placed) for turn in turns for placed in turn.blocks]
    return [
        *_roles(blocks, turns),
        *_texts(body, blocks),
        *_pairs(turns),
        *_server_tools(turns, said),
        *thinking_faults(body, turns, said),
        *_breakpoints(body),
        *_tools(body),
    ]


def _shape(body: Body, *, counting: bool) -> Iterator[Fault]:
    for name in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
        if body.get(name) is None:
            yield Fault(f"{name}: Field required")
    messages = body.get("messages")
    if messages == []:
        yield Fault("messages: at least one message is required")
    elif isinstance(messages, list):
        for number, message in enumerate(messages):
            yield from _message(f"messages.{number}", message)
    elif messages is not None:
        yield Fault("messages: Input should be a valid list")


def _message(place: str, message: JSON) -> Iterator[Fault]:
    if not isinstance(message, dict):
        yield Fault(f"{place}: Input should be a valid dictionary")
    elif message.get("role") not in ("user", "assistant", "system"):
        yield Fault(f"{place}.role: Input should be 'user', 'assistant' or 'system'")
    elif message.get("content") is None:
        yield Fault(f"{place}.content: Field required")
    elif not isinstance(message["content"], (str, list)):
        yield Fault(f"{place}.content: Input should be a valid string or list")
    elif isinstance(message["content"], list):
        for number, block in enumerate(message["content"]):
            yield from _block(f"{place}.content.{number}", block)


def _block(place: str, block: JSON) -> Iterator[Fault]:
    match block:
        case {"type": "text", "text": str()}:
            pass
        case {"type": "text"}:
            yield Fault(f"{place}.text.text: Field required")
        case {"type": str(kind)} if kind.endswith("tool_use"):
            yield from _tool_use(f"{place}.{kind}", block)
        case {"type": str(kind)} if kind.endswith("tool_result"):
            if not isinstance(block.get("tool_use_id"), str):
                yield Fault(f"{place}.{kind}.tool_use_id: Field required")
        case {"type": "thinking", "thinking": str(), "signature": str()} | {"type": "redacted_thinking", "data": str()}:
            if "cache_control" in block:
                yield Fault(f"{place}.{block['type']}.cache_control: Extra inputs are not permitted")
        case {"type": "thinking"}:
            yield Fault(f"{place}.thinking.signature: Field required")
        case {"type": "redacted_thinking"}:
            yield Fault(f"{place}.redacted_thinking.data: Field required")
        case {"type": str()}:
            pass
        case _:
            yield Fault(f"{place}: Input should be a valid dictionary with a 'type'")


def _tool_use(place: str, block: Block) -> Iterator[Fault]:
    id_ = block.get("id")
    if not isinstance(id_, str):
        yield Fault(f"{place}.id: Field required")
    elif not _TOOL_USE_ID.fullmatch(id_):
        yield Fault(f"{place}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not isinstance(block.get("input"), dict):
        yield Fault(f"{place}.input: Input should be a valid dictionary")


def _turns(messages: Sequence[dict[str, Any]]) -> list[Turn]:
    numbered = groupby(enumerate(messages), lambda one: one[1]["role"])
    return [Turn(role, [placed for one in group for placed in _placed(*one)]) for role, group in numbered]


def _placed(number: int, message: dict[str, Any]) -> list[Placed]:
    content = message["content"]
    if content == "":
        return []
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [Placed(f"messages.{number}.content.{index}", number, block) for index, block in enumerate(blocks)]


def _roles(blocks: Sequence[tuple[str, Placed]], turns: Sequence[Turn]) -> Iterator[Fault]:
    if turns[0].role != "user":
        yield Fault('messages: first message must use the "user" role')
    for role, placed in blocks:
        only = _ONE_SIDED.get(placed.block["type"], role)
        if only != role:
            yield Fault(f"{placed.place}: `{placed.block['type']}` blocks can only be in `{only}` messages")


def _texts(body: Body, blocks: Sequence[tuple[str, Placed]]) -> Iterator[Fault]:
    *_, last = messages = body["messages"]
    if not all(message["content"] for message in messages if message is not last or last["role"] != "assistant"):
        told = "all messages must have non-empty content except for the optional final assistant message"
        yield Fault(f"messages: {told}")
    system = [("system", block) for block in objects(body.get("system"))]
    for place, block in [*system, *(("messages", placed.block) for _, placed in blocks)]:
        if block.get("type") == "text" and not str(block.get("text")).strip():
            kind = "contain non-whitespace text" if block.get("text") else "be non-empty"
            yield Fault(f"{place}: text content blocks must {kind}")


def _pairs(turns: Sequence[Turn]) -> Iterator[Fault]:
    """Every tool_use is answered first thing in the next turn, and nothing else is."""
    calls: list[str] = []
    for index, turn in enumerate(turns):
        yield from _results(turn, calls)
        calls = [placed.block["id"] for placed in turn.blocks if placed.block["type"] == "tool_use"]
        answered = _answered(turns[index + 1]) if index + 1 < len(turns) else []
        missing = [id_ for id_ in calls if id_ not in answered]
        if missing:
            told = "`tool_use` ids were found without `tool_result` blocks immediately after"
            rule = "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            yield Fault(f"messages.{turn.blocks[-1].message}: {told}: {', '.join(missing)}. {rule}")
    made = [placed.block["id"] for turn in turns for placed in turn.blocks if placed.block["type"] == "tool_use"]
    if repeated(made):
        yield Fault(f"messages: `tool_use` ids must be unique. Found more than once: {', '.join(repeated(made))}")


def _results(turn: Turn, calls: Sequence[str]) -> Iterator[Fault]:
    results = [placed for placed in turn.blocks if placed.block["type"] == "tool_result"]
    for placed in results:
        id_ = placed.block["tool_use_id"]
        if id_ not in calls:
            rule = "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            yield Fault(f"{placed.place}: unexpected `tool_use_id` found in `tool_result` blocks: {id_}. {rule}")
    for id_ in repeated(placed.block["tool_use_id"] for placed in results):
        told = "each tool_use must have a single result. Found multiple `tool_result` blocks with id"
        yield Fault(f"messages.{turn.blocks[0].message}.content: {told}: {id_}")


def _answered(turn: Turn) -> list[str]:
    """The calls whose results come before anything else."""
    ids: list[str] = []
    for placed in turn.blocks:
        if placed.block["type"] != "tool_result":
            break
        ids.append(placed.block["tool_use_id"])
    return ids


def _server_tools(turns: Sequence[Turn], said: Sequence[Sequence[Block]]) -> Iterator[Fault]:
    """What the provider ran stands before what it found; only the last turn may be paused in between."""
    for turn in turns:
        made: dict[str, Placed] = {}
        for placed in turn.blocks:
            kind = placed.block["type"]
            if kind in _SERVER_TOOL_USES:
                made[placed.block["id"]] = placed
            elif kind.endswith("_tool_result") and made.pop(placed.block["tool_use_id"], None) is None:
                told = f"unexpected `tool_use_id` found in `{kind}` blocks"
                yield Fault(f"{placed.place}: {told}: {placed.block['tool_use_id']}.")
            yield from _forged(placed, said)
        for placed in () if turn is turns[-1] else made.values():
            name, id_ = placed.block.get("name"), placed.block["id"]
            told = f"`{name}` tool use with id `{id_}` was found without a corresponding `{name}_tool_result` block"
            yield Fault(f"messages.{placed.message}: {told}")


def _forged(placed: Placed, said: Sequence[Sequence[Block]]) -> Iterator[Fault]:
    """What the provider found is as it was."""
    if placed.block["type"] == "web_search_tool_result":
        known = {secret for blocks in said for block in blocks for secret in _secrets(block)}
        if not _secrets(placed.block) <= known:
            yield Fault(f"{placed.place}: Invalid `encrypted_content` in `search_result` block")


def _secrets(block: Block) -> set[str]:
    return {str(result.get("encrypted_content")) for result in objects(block.get("content"))}


def _breakpoints(body: Body) -> Iterator[Fault]:
    blocks = [body, *objects(body.get("tools")), *objects(body.get("system"))]
    for message in body["messages"]:
        for block in objects(message["content"]):
            blocks += [block, *objects(block.get("content"))]
    count = sum(block.get("cache_control") is not None for block in blocks)
    if count > MOST_BREAKPOINTS:
        yield Fault(f"A maximum of {MOST_BREAKPOINTS} blocks with cache_control may be provided. Found {count}.")


def _tools(body: Body) -> Iterator[Fault]:
    tools = objects(body.get("tools"))
    for number, tool in enumerate(tools):
        yield from _tool(f"tools.{number}", tool)
    names = [tool.get("name") for tool in tools]
    if repeated(names):
        yield Fault("tools: Tool names must be unique.")
    choice = body.get("tool_choice")
    if choice is not None and not tools:
        yield Fault("tool_choice: tool_choice may only be specified while providing tools.")
    elif isinstance(choice, dict) and choice.get("type") == "tool" and choice.get("name") not in names:
        yield Fault(f"tool_choice: Tool '{choice.get('name')}' not found in provided tools")


def _tool(place: str, tool: Block) -> Iterator[Fault]:
    """A tool of the provider's own has a type, and a name that it was given."""
    name = tool.get("name")
    if tool.get("type", "custom") not in (None, "custom"):
        return
    if not isinstance(name, str):
        yield Fault(f"{place}.custom.name: Field required")
    elif not _TOOL_NAME.fullmatch(name):
        yield Fault(f"{place}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        told = "Field required" if schema is None else "Input should be an object"
        yield Fault(f"{place}.custom.input_schema: {told}")
    elif schema.get("type") != "object":
        yield Fault(f"{place}.custom.input_schema.type: Input should be 'object'")
