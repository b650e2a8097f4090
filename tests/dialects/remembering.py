"""Conversations of several turns: a client that keeps its history, a strict provider, and what is recalled between."""

from __future__ import annotations

import copy
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

from aibridge.dialects.base import Exchange
from aibridge.dialects.chat_completions import ChatCompletions
from aibridge.dialects.messages import Messages
from aibridge.dialects.responses import Responses
from aibridge.loop import Loop
from aibridge.model import HiddenTurn, InjectedTool, RecallKey, Text, ToolCall, ToolResult
from aibridge.testing import api  # noqa: F401  first: the modules below are parts of it
from aibridge.testing.answers import Answer, Call, Thought
from aibridge.testing.chat import CHAT
from aibridge.testing.dialect import Dialect
from aibridge.testing.messages import MESSAGES
from aibridge.testing.request import Request
from aibridge.testing.responses import RESPONSES
from aibridge.testing.view import View
from tests import twins
from tests.dialects.chat import chunks_of
from tests.dialects.playing import CITY, TIME, UUID
from tests.dialects.wire import dump, values_of

History = list[dict[str, Any]]
Retell = Callable[[History], History]
"""How a client tells its history again: not always as it heard it."""

Event = tuple[str, ...]
"""Something of a conversation as the provider was told it: (kind, text), or (kind, id, text)."""


class Recall:
    """Hidden turns of one actor, in memory."""

    def __init__(self) -> None:
        self.kept: dict[RecallKey, HiddenTurn] = {}

    def found(self, keys: Sequence[RecallKey]) -> list[HiddenTurn]:
        return [HiddenTurn((key,), self.kept[key].content) for key in keys if key in self.kept]

    async def find(self, keys: Sequence[RecallKey]) -> list[HiddenTurn]:
        return self.found(keys)

    async def keep(self, turn: HiddenTurn) -> None:
        assert turn.keys, "what has no key cannot be found"
        self.kept |= dict.fromkeys(turn.keys, turn)


class Tools:
    """Injected tools; each result tells which call it belongs to."""

    def __init__(self, tools: Sequence[InjectedTool]) -> None:
        self.tools = tools
        self.said: dict[str, str] = {}  # by call id: the last result

    async def call(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        return [self._result(call) for call in calls]

    def _result(self, call: ToolCall) -> ToolResult:
        assert call.tool is not None, "only our own tools may be run"
        text = f"{call.tool.raw_name} for {call.id}{call.text}"
        result = ToolResult.failure(text) if "fail" in call.text else ToolResult((Text(text),))
        self.said[call.id] = result.text
        return result


class Provider:
    """Answers by a script, and fails the test where the real one would refuse."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._memory = client.dialect.memory()
        self.answers: deque[Answer] = deque()
        self.requests: list[Request] = []
        self.views: list[View] = []

    def open(self, body: bytes) -> AbstractAsyncContextManager[twins.Answer]:
        request = Request("POST", self._client.path, body=body, dialect=self._client.dialect)
        assert self._memory.faults(request) == []
        self.requests.append(request)
        self.views.append(self._memory.view(request))
        reply = self._memory.overhear(request, self._client.dialect.reply(self.answers.popleft(), request))
        return nullcontext(twins.Answer([piece for piece in reply.body if isinstance(piece, bytes)]))


class Client(ABC):
    """A program that keeps its history and sends it with each request."""

    dialect: ClassVar[Dialect]
    path: ClassVar[str]
    exchange: ClassVar[Callable[..., Exchange]]
    shows_thoughts: ClassVar[bool] = True  # the dialect has a form for them in which they come back
    member: ClassVar[str] = "messages"

    def __init__(self) -> None:
        self.history: History = []
        self.retell: Retell = lambda history: history

    @property
    @abstractmethod
    def name(self) -> str: ...

    def request(self, *, streaming: bool) -> bytes:
        return dump({**self.members(), self.member: self.sent(), **({"stream": True} if streaming else {})})

    def members(self) -> dict[str, Any]:
        return {"model": "m", "tools": [self.tool("edit_file"), self.tool("run")]}

    def sent(self) -> History:
        return self.retell(copy.deepcopy(self.history))

    def ask(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})

    @abstractmethod
    def tool(self, name: str) -> dict[str, Any]: ...

    @abstractmethod
    def answer(self, *results: tuple[str, str]) -> None:
        """Adds results of its own calls."""

    @abstractmethod
    def hear(self, body: bytes, *, streaming: bool) -> None:
        """Adds what the provider answered."""


class ChatClient(Client):
    name = "chat"
    dialect = CHAT
    path = "/v1/chat/completions"
    exchange = ChatCompletions
    shows_thoughts = False

    def tool(self, name: str) -> dict[str, Any]:
        return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}

    def answer(self, *results: tuple[str, str]) -> None:
        self.history += [{"role": "tool", "tool_call_id": id_, "content": text} for id_, text in results]

    def hear(self, body: bytes, *, streaming: bool) -> None:
        told = _message_of(chunks_of(body)) if streaming else json.loads(body)["choices"][0]["message"]
        calls = {"tool_calls": told["tool_calls"]} if told.get("tool_calls") else {}
        self.history.append({"role": "assistant", "content": told["content"], **calls})


class MessagesClient(Client):
    name = "messages"
    dialect = MESSAGES
    path = "/v1/messages"
    exchange = Messages

    def members(self) -> dict[str, Any]:
        return {**super().members(), "max_tokens": 9, "thinking": {"type": "enabled", "budget_tokens": 2}}

    def tool(self, name: str) -> dict[str, Any]:
        return {"name": name, "input_schema": {"type": "object", "properties": {}}}

    def answer(self, *results: tuple[str, str]) -> None:
        blocks = [{"type": "tool_result", "tool_use_id": id_, "content": text} for id_, text in results]
        self.history.append({"role": "user", "content": blocks})

    def hear(self, body: bytes, *, streaming: bool) -> None:
        content = _blocks_of(values_of(body)) if streaming else json.loads(body)["content"]
        self.history.append({"role": "assistant", "content": content})


class ResponsesClient(Client):
    """Keeps all items itself, as Codex does."""

    name = "responses"
    dialect = RESPONSES
    path = "/v1/responses"
    exchange = Responses
    member = "input"
    store: ClassVar[bool] = False

    def members(self) -> dict[str, Any]:
        return {**super().members(), "store": self.store}

    def tool(self, name: str) -> dict[str, Any]:
        return {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}}

    def answer(self, *results: tuple[str, str]) -> None:
        self.history += [{"type": "function_call_output", "call_id": id_, "output": text} for id_, text in results]

    def hear(self, body: bytes, *, streaming: bool) -> None:
        response = values_of(body)[-1]["response"] if streaming else json.loads(body)
        self.take(response["id"], response["output"])

    def take(self, id_: str, output: History) -> None:
        self.history += output


class ReferringClient(ResponsesClient):
    """Lets the provider store the items, and refers to them."""

    name = "responses, by reference"
    store = True

    def take(self, id_: str, output: History) -> None:
        self.history += [{"type": "item_reference", "id": item["id"]} for item in output]


class ChainedClient(ResponsesClient):
    """Lets the provider store the responses, and names the last one."""

    name = "responses, by the previous one"
    store = True
    previous: str | None = None

    def members(self) -> dict[str, Any]:
        return {**super().members(), "previous_response_id": self.previous}

    def take(self, id_: str, output: History) -> None:
        self.history, self.previous = [], id_


class ConversingClient(ResponsesClient):
    """Lets the provider keep the conversation."""

    name = "responses, in a conversation"
    store = True

    def members(self) -> dict[str, Any]:
        return {**super().members(), "conversation": {"id": "conv_1"}}

    def take(self, id_: str, output: History) -> None:
        self.history = []


CLIENTS: list[type[Client]] = [ChatClient, MessagesClient, ResponsesClient, ReferringClient, ChainedClient]
TELLING: list[type[Client]] = [ChatClient, MessagesClient, ResponsesClient]
"""Those that tell all of their history."""

EVERYONE = [*CLIENTS, ConversingClient]
"""Also the one whose conversation can't be forked."""


@dataclass
class Talk:
    """A conversation through the gateway."""

    client: Client
    streaming: bool
    recall: Recall = field(default_factory=Recall)
    tools: Sequence[InjectedTool] = (TIME, CITY)

    def __post_init__(self) -> None:
        self.provider = Provider(self.client)
        self.recalled: list[int] = []  # turns put back, by request
        self.story: list[Event] = []  # what the provider is to know when nothing is forgotten
        self.answered_at = 0  # how much of it the last request told: the rest is the answer to it
        self._open: list[str] = []  # the calls of the last round, while results are missing
        self._ours: dict[str, str] = {}  # results of our tools in the last turn

    def ask(self, text: str, *rounds: Answer) -> None:
        """The user says something, and the provider answers in so many rounds."""
        self.client.ask(text)
        self.story.append(("user", text))
        self.play(*rounds)

    def answer(self, results: Sequence[tuple[str, str]], *rounds: Answer) -> None:
        """The client answers its own calls; ours have been answered."""
        self.client.answer(*results)
        self._settle(dict(results))
        self.play(*rounds)

    def play(self, *rounds: Answer, remembering: bool = True) -> None:
        """Sends the client's history, whatever it is, and hears the answer."""
        body = self.client.request(streaming=self.streaming)
        exchange = type(self.client).exchange(body, id=UUID, tools=self.tools)
        if remembering:
            exchange.restore(self.recall.found(exchange.lookups()))
        self.provider.answers.extend(rounds)
        sink, tools = twins.ClientSink(), Tools(self.tools)
        loop = Loop(exchange, self.provider, tools, self.recall, send=sink, emit=twins.RecordSink())
        twins.run(loop.run(8))
        assert exchange.outcome.status == "completed", exchange.outcome
        assert not self.provider.answers, "a round was not asked for"
        self.recalled.append(exchange.recalled)
        self.client.hear(b"".join(sink.writes), streaming=self.streaming)
        self._tell(rounds, tools)

    def rewrite(self, at: int, events: list[Event], waiting: list[str]) -> None:
        """From there on the story is another one, of which these calls are still open."""
        self.story[at:], self._open, self._ours = events, list(waiting), {}

    @property
    def told(self) -> list[Event]:
        """What the last request told the provider."""
        return events_of(self.provider.views[-1])

    @property
    def told_raw(self) -> History:
        """The messages or items of the last request, as they went out."""
        return list(self.provider.requests[-1].fields[self.client.member])

    def _tell(self, rounds: Sequence[Answer], tools: Tools) -> None:
        """Lets the story go on with these rounds; the last one's client calls, and so its results, are open."""
        for one in rounds:
            self._settle({})
            self.answered_at = len(self.story)
            thoughts = one.thoughts if self.client.shows_thoughts else ()
            self.story += [("thought", text) for text in thoughts]
            self.story += [("assistant", one.text)] if one.text else []
            self.story += [("call", call.id) for call in one.calls]
            self._open = [call.id for call in one.calls]
            self._ours = tools.said
            if all(call.id in tools.said for call in one.calls):
                self._settle({})

    def _settle(self, results: dict[str, str]) -> None:
        """Adds the results of the open round in the order of its calls."""
        answers = {**self._ours, **results}
        self.story += [("result", id_, answers[id_]) for id_ in self._open if id_ in answers]
        self._open = []


def events_of(view: View) -> list[Event]:
    """What a request tells the provider."""
    return [event for piece in view.conversation for event in _events(json.loads(piece))]


def _events(piece: Any) -> Iterator[Event]:
    match piece:
        case [role, block]:
            yield _event(role, block)
        case {"role": "tool", "tool_call_id": id_, "content": content}:
            yield "result", id_, _text(content)
        case {"role": role, "content": content} if "tool_calls" not in piece:
            yield role, _text(content)
        case {"tool_calls": calls}:
            yield from [("assistant", _text(piece["content"]))] if piece.get("content") else []
            yield from (("call", call["id"]) for call in calls)
        case _:
            yield _event("", piece)


def _event(role: str, block: dict[str, Any]) -> Event:
    match block["type"]:
        case "text":
            return role, block["text"]
        case "thinking":
            return "thought", block["thinking"]
        case "reasoning":
            return "thought", _text(block["summary"])
        case "tool_use":
            return "call", block["id"]
        case "function_call":
            return "call", block["call_id"]
        case "tool_result":
            return "result", block["tool_use_id"], _text(block["content"])
        case _:
            return "result", block["call_id"], block["output"]


def _text(parts: list[dict[str, Any]]) -> str:
    return "".join(part["text"] for part in parts)


def _message_of(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a client puts together from its chunks."""
    text, calls = "", {}  # type: ignore[var-annotated]  # by index
    for delta in (choice["delta"] for item in chunks for choice in item["choices"]):
        text += delta.get("content") or ""
        for piece in delta.get("tool_calls", ()):
            call = calls.setdefault(piece["index"], {"id": piece.get("id"), "type": "function", "function": {}})
            function = call["function"]
            function["name"] = function.get("name") or piece["function"].get("name")
            function["arguments"] = function.get("arguments", "") + (piece["function"].get("arguments") or "")
    return {"content": text or None, "tool_calls": [calls[index] for index in sorted(calls)]}


def _blocks_of(values: list[dict[str, Any]]) -> History:
    """The blocks that a client puts together from its events."""
    blocks: History = []
    arguments: dict[int, str] = {}
    for value in values:
        if value["type"] == "content_block_start":
            blocks.append(dict(value["content_block"]))
        elif value["type"] == "content_block_delta":
            delta, index = value["delta"], value["index"]
            if delta["type"] == "input_json_delta":
                arguments[index] = arguments.get(index, "") + delta["partial_json"]
                blocks[index]["input"] = json.loads(arguments[index] or "{}")
            else:
                name = delta["type"].removesuffix("_delta")
                blocks[index][name] = blocks[index].get(name, "") + delta[name]
    return blocks


def ours(id: str, tool: InjectedTool = TIME, arguments: str = "{}") -> Call:  # noqa: A002  the field's name
    """A call of an injected tool."""
    return Call(tool.name, arguments, id)


def theirs(id: str, name: str = "edit_file", arguments: str = '{"path":"a b.txt"}') -> Call:  # noqa: A002
    """A call of a tool that the client declared."""
    return Call(name, arguments, id)


def hm(text: str) -> Thought:
    """A thought, which Anthropic signs and OpenAI encrypts."""
    return Thought(text, signature=f"signed {text}")
