"""Chat completions keep nothing: every request tells the whole conversation, and nothing in it is signed."""

from __future__ import annotations

from typing_extensions import override

from aibridge.testing import strict_chat
from aibridge.testing.fault import Fault
from aibridge.testing.memory import Memory, Take
from aibridge.testing.request import Request
from aibridge.testing.view import View, view_of_chat


class ChatMemory(Memory):
    """A memory that remembers nothing."""

    @override
    def faults(self, request: Request) -> list[Fault]:
        return strict_chat.faults(request.fields)

    @override
    def view(self, request: Request) -> View:
        return view_of_chat(request.fields)

    @override
    def listener(self, request: Request) -> Take:
        return lambda _: None
