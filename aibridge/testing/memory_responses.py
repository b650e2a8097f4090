"""What a fake OpenAI has answered in Responses: the items, and what they were an answer to."""

from __future__ import annotations

from functools import partial

from typing_extensions import override

from aibridge.model import JSON
from aibridge.testing import strict_responses
from aibridge.testing.fault import Fault, objects
from aibridge.testing.memory import Memory, Take
from aibridge.testing.request import Request
from aibridge.testing.strict_responses import Said, conversation_of, history
from aibridge.testing.view import View, view_of_responses

_ENDS = frozenset({"response.completed", "response.incomplete"})


class ResponsesMemory(Memory):
    """All responses, stored or not."""

    def __init__(self) -> None:
        self._said: list[Said] = []

    @override
    def faults(self, request: Request) -> list[Fault]:
        return strict_responses.faults(request.fields, self._said)

    @override
    def view(self, request: Request) -> View:
        return view_of_responses(request.fields, history(request.fields, self._said))

    @override
    def listener(self, request: Request) -> Take:
        body = request.fields
        said = Said(history(body, self._said), body.get("store") is not False, conversation_of(body))
        self._said.append(said)
        return partial(_take, said)


def _take(said: Said, event: dict[str, JSON]) -> None:
    match event:
        case {"object": "response", "id": str(id), "output": list(output)}:
            said.id = id
            said.output = objects(output)
        case {"type": "response.output_item.done", "item": dict(item)}:
            said.output.append(item)
        case {"type": str(kind), "response": {"id": str(id)}} if kind in _ENDS:
            said.id = id
