"""What a fake Anthropic has said: the blocks of each message, whose signatures it will know again."""

from __future__ import annotations

from functools import partial
from typing import Any

from typing_extensions import override

from aibridge.model import JSON
from aibridge.testing import strict_messages
from aibridge.testing.fault import Fault, objects
from aibridge.testing.memory import Memory, Take
from aibridge.testing.request import Request
from aibridge.testing.view import View, view_of_messages

Blocks = dict[JSON, dict[str, Any]]
"""The blocks of a message by their index."""


class MessagesMemory(Memory):
    """All messages, whole or as far as they went out."""

    def __init__(self) -> None:
        self._said: list[Blocks] = []

    @override
    def faults(self, request: Request) -> list[Fault]:
        said = [list(blocks.values()) for blocks in self._said]
        return strict_messages.faults(request.fields, said, counting=request.path.endswith("/count_tokens"))

    @override
    def view(self, request: Request) -> View:
        return view_of_messages(request.fields)

    @override
    def listener(self, request: Request) -> Take:
        blocks: Blocks = {}
        self._said.append(blocks)
        return partial(_take, blocks)


def _take(blocks: Blocks, event: dict[str, JSON]) -> None:
    match event:
        case {"type": "message", "content": list(content)}:
            blocks.update(enumerate(block for block in objects(content) if isinstance(block.get("type"), str)))
        case {"type": "content_block_start", "index": int(index), "content_block": {"type": str()} as block}:
            blocks[index] = dict(block)
        case {"type": "content_block_delta", "index": int(index), "delta": dict(delta)} if index in blocks:
            _grow(blocks[index], delta)


def _grow(block: dict[str, Any], delta: dict[str, JSON]) -> None:
    """Takes a delta of what is signed; of the rest nothing comes back that must be the same."""
    for name in ("thinking", "signature"):
        if isinstance(delta.get(name), str):
            block[name] = block.get(name, "") + delta[name]
