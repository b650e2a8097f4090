"""From what an MCP server answers to what a model is given, cut to a size that a model can be given."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec
from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from msgspec.structs import replace

from aibridge.model import Image, Text, ToolResult

logger = logging.getLogger(__name__)

ERROR_CHARS = 500
"""How much of a failed tool's text is recorded as its error."""

_CUT = "\n[cut by the gateway: the result has {length:,} characters and {limit:,} are the limit]"


def tool_result(answer: CallToolResult, limit: int) -> ToolResult:
    """The answer's parts in words and pictures, at most `limit` characters of text and `limit` of pictures' base64."""
    parts = list(_without_large_images(_parts(answer), limit))
    length = _length(parts)
    cut = _cut(parts, length, limit) if length > limit else tuple(parts)
    result = ToolResult(cut, cut_from=length if length > limit else None)
    return replace(result, error=result.text[:ERROR_CHARS]) if answer.is_error else result


def _parts(answer: CallToolResult) -> list[Text | Image]:
    """What the server said, in full."""
    parts = [_part(block) for block in answer.content]
    spoken = any(isinstance(part, Text) for part in parts)
    if answer.structured_content is not None and not spoken:
        # Where there is text, it is by convention the same again, or meant to be read instead.
        parts.append(Text(msgspec.json.encode(answer.structured_content).decode()))
    if not parts:
        parts.append(Text("the tool failed without saying why" if answer.is_error else "(no output)"))
    return parts


def _part(block: ContentBlock) -> Text | Image:
    match block:
        case TextContent():
            return Text(block.text)
        case ImageContent():
            return Image(block.mime_type, block.data)
        case AudioContent():
            return Text(f"[audio: {block.mime_type}, {_size(block.data)} bytes]")
        case ResourceLink():
            return Text(f"[resource link: {block.name}, {block.uri}]")
        case EmbeddedResource():
            return _resource(block)


def _resource(block: EmbeddedResource) -> Text:
    resource = block.resource
    if isinstance(resource, TextResourceContents):
        return Text(resource.text)
    return Text(f"[resource: {resource.uri}, {resource.mime_type or 'unknown type'}, {_size(resource.blob)} bytes]")


def _size(base64: str) -> int:
    return len(base64) * 3 // 4


def _length(parts: list[Text | Image]) -> int:
    """The characters of all texts, which are joined by line feeds."""
    return sum(len(part.text) + 1 for part in parts if isinstance(part, Text)) - 1


def _cut(parts: list[Text | Image], length: int, limit: int) -> tuple[Text | Image, ...]:
    """The parts within the limit; the last one says that there was more."""
    logger.warning("a tool's result of %d characters was cut to %d", length, limit)
    note = _CUT.format(length=length, limit=limit)
    return (*_first(parts, max(limit - len(note), 0)), Text(note.lstrip("\n")))


def _without_large_images(parts: list[Text | Image], limit: int) -> Iterator[Text | Image]:
    """Replaces pictures beyond the limit by their description."""
    room = limit
    for part in parts:
        if isinstance(part, Image):
            if len(part.data) > room:
                yield Text(f"{part.text[:-1]}, too large to show]")
                continue
            room -= len(part.data)
        yield part


def _first(parts: list[Text | Image], room: int) -> Iterator[Text | Image]:
    """The parts that fit into so many characters, the last of them shortened. Pictures have their own limit."""
    for part in parts:
        if isinstance(part, Image):
            yield part
        elif room > 0:
            yield Text(part.text[:room])
            room -= len(part.text) + 1
