"""Conversations with the official clients over several requests, and gateways that take turns in serving them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import anthropic
import msgspec
import openai
from openai.types.responses import Response

from aibridge.testing import FakeAnthropic, FakeOpenAI
from tests.served import Gateway

Provider = FakeOpenAI | FakeAnthropic
Way = Literal["one gateway", "restarted", "two gateways"]
"""Through which gateways a conversation goes: the first one started again before each request, or two in turns."""

WAYS: tuple[Way, ...] = ("one gateway", "restarted", "two gateways")
HEADERS = {"x-api-key": "any"}


class Gateways:
    """Gateways of the same settings on the same database."""

    def __init__(self, home: Path, settings: Mapping[str, Any]) -> None:
        self._settings = {**settings, "recorder": {"url": f"sqlite:///{home / 'shared.db'}"}}
        self._homes = [home / name for name in "AB"]
        self._running: list[tuple[ExitStack, Gateway]] = []
        for each in self._homes:
            each.mkdir()

    def urls(self, way: Way) -> Iterator[str]:
        """Whom to ask: the next request goes there."""
        for number in range(100):
            if way == "restarted" and number:
                self.end()
            yield self._gateway(number % 2 if way == "two gateways" else 0).url

    def end(self) -> None:
        """Ends all of them; they are started again when they are needed."""
        while self._running:
            stack, _ = self._running.pop()
            stack.close()

    def _gateway(self, index: int) -> Gateway:
        while len(self._running) <= index:
            stack = ExitStack()
            gateway = stack.enter_context(Gateway(self._homes[len(self._running)], self._settings))
            self._running.append((stack, gateway))
            gateway.wait_until_ready()
        return self._running[index][1]


@dataclass(frozen=True, slots=True)
class Told:
    """What the client was given."""

    id: str
    text: str
    calls: Sequence[str]  # the ids of those that it is to run
    everything: str  # as JSON


class Talk(ABC):
    """A program that holds a conversation as the client's manual says: it adds what came to what it sends."""

    name: ClassVar[str]
    route: ClassVar[str]
    member: ClassVar[str] = "messages"
    shows_thoughts: ClassVar[bool] = True
    whole: ClassVar[bool] = True  # each request tells the whole conversation

    def __init__(self, *, streaming: bool) -> None:
        self.streaming = streaming
        self.history: list[Any] = []

    def ask(self, url: str, question: str, **options: Any) -> Told:
        """The person says something."""
        self.history.append({"role": "user", "content": question})
        return self.send(url, **options)

    @abstractmethod
    def answer(self, url: str, results: Mapping[str, str]) -> Told:
        """The program has run its own tools: results by the ids of their calls."""

    @abstractmethod
    def send(self, url: str, **options: Any) -> Told:
        """Sends the history, and adds what came."""


class ChatTalk(Talk):
    name = "chat completions"
    route = "/chat/completions"
    shows_thoughts = False

    def answer(self, url: str, results: Mapping[str, str]) -> Told:
        self.history += [{"role": "tool", "tool_call_id": id_, "content": text} for id_, text in results.items()]
        return self.send(url)

    def send(self, url: str, **options: Any) -> Told:
        tool = {"name": "read_file", "parameters": {"type": "object", "properties": {}}}
        asked: Any = {"model": "gpt-6", "messages": self.history, "tools": [{"type": "function", "function": tool}]}
        with openai_at(url) as client:
            if self.streaming:
                with client.chat.completions.stream(**asked, **options) as stream:
                    completion: Any = stream.get_final_completion()
            else:
                completion = client.chat.completions.create(**asked, **options)
        message = completion.choices[0].message
        self.history.append(message)
        calls = [call.id for call in message.tool_calls or ()]
        return Told(completion.id, message.content or "", calls, completion.model_dump_json())


class MessagesTalk(Talk):
    """With thinking."""

    name = "messages"
    route = "/messages"

    def answer(self, url: str, results: Mapping[str, str]) -> Told:
        blocks = [{"type": "tool_result", "tool_use_id": id_, "content": text} for id_, text in results.items()]
        self.history.append({"role": "user", "content": blocks})
        return self.send(url)

    def send(self, url: str, **options: Any) -> Told:
        asked: Any = {
            "model": "claude",
            "max_tokens": 2048,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "messages": self.history,
            "tools": [{"name": "read_file", "input_schema": {"type": "object", "properties": {}}}],
        }
        with anthropic_at(url) as client:
            if self.streaming:
                with client.messages.stream(**asked, **options) as stream:
                    message: Any = stream.get_final_message()
            else:
                message = client.messages.create(**asked, **options)
        self.history.append({"role": "assistant", "content": message.content})
        text = "".join(block.text for block in message.content if block.type == "text")
        calls = [block.id for block in message.content if block.type == "tool_use"]
        return Told(message.id, text, calls, message.model_dump_json())


class ItemsTalk(Talk):
    """Responses that the provider does not keep, with reasoning that it alone can read."""

    name = "responses"
    route = "/responses"
    member = "input"
    members: ClassVar[Mapping[str, Any]] = {"store": False, "include": ["reasoning.encrypted_content"]}

    def answer(self, url: str, results: Mapping[str, str]) -> Told:
        self.history += [
            {"type": "function_call_output", "call_id": id_, "output": text} for id_, text in results.items()
        ]
        return self.send(url)

    def send(self, url: str, **options: Any) -> Told:
        tool = {"type": "function", "name": "read_file", "strict": False, "parameters": {"type": "object"}}
        asked: Any = {"model": "gpt-6", "input": self.history, "tools": [tool], **self.members, **options}
        with openai_at(url) as client:
            response = _streamed(client, asked) if self.streaming else client.responses.create(**asked)
        self.take(response)
        calls = [item.call_id for item in response.output if item.type == "function_call"]
        return Told(response.id, response.output_text, calls, response.model_dump_json())

    def take(self, response: Response) -> None:
        self.history += response.output


class ChainTalk(ItemsTalk):
    """Responses that the provider keeps, each named by the next."""

    name = "responses, by the previous one"
    whole = False

    def __init__(self, *, streaming: bool) -> None:
        super().__init__(streaming=streaming)
        self.members = {"store": True}  # type: ignore[misc]  # its own from now on

    def take(self, response: Response) -> None:
        self.history = []
        self.members = {"store": True, "previous_response_id": response.id}  # type: ignore[misc]  # its own


TALKS: tuple[type[Talk], ...] = (ChatTalk, MessagesTalk, ItemsTalk, ChainTalk)


def _streamed(client: openai.OpenAI, asked: Any) -> Response:
    with client.responses.create(**asked, stream=True) as stream:
        *_, last = stream
    assert last.type == "response.completed"
    response: Response = last.response
    return response


@contextmanager
def openai_at(url: str) -> Iterator[openai.OpenAI]:
    """The official client."""
    http = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(base_url=f"{url}/openai/v1", api_key="any", max_retries=0, timeout=30, http_client=http) as made:
        yield made


@contextmanager
def anthropic_at(url: str) -> Iterator[anthropic.Anthropic]:
    """The official client."""
    http = anthropic.DefaultHttpxClient(trust_env=False)
    base = f"{url}/anthropic"
    with anthropic.Anthropic(base_url=base, api_key="any", max_retries=0, timeout=30, http_client=http) as made:
        yield made


def begins_with(later: bytes, earlier: bytes, member: str) -> bool:
    """Whether a request's messages or items are, byte by byte, those of an earlier request and more."""
    before, after = (bytes(msgspec.json.decode(body, type=dict[str, msgspec.Raw])[member]) for body in (earlier, later))
    return after.startswith(before.removesuffix(b"]"))
