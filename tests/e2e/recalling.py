"""Conversations with the official clients over several requests, and gateways that take turns in serving them."""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Literal
from uuid import uuid4

import anthropic
import msgspec
import openai
from openai.types.responses import Response, ResponseFunctionToolCall

from aibridge.testing import FakeAnthropic, FakeOpenAI, reply
from aibridge.testing.answers import Answer
from aibridge.testing.view import View
from tests.served import Gateway
from tests.waiting import until

Provider = FakeOpenAI | FakeAnthropic
Way = Literal["one gateway", "restarted", "two gateways"]
"""Through which gateways a conversation goes: one that is ended and started again on the way, or two in turns."""

WAYS: tuple[Way, ...] = ("one gateway", "restarted", "two gateways")


class Gateways:
    """Gateways of the same settings on the same database; each is started when it is needed first."""

    def __init__(self, home: Path, settings: Mapping[str, Any]) -> None:
        self._home = home
        self._settings = {**settings, "recorder": {"url": f"sqlite:///{home / 'shared.db'}"}}
        self._running: dict[str, ExitStack] = {}
        self._urls: dict[str, str] = {}

    def urls(self, way: Way) -> Iterator[str]:
        """Whom to ask: the next request goes there."""
        for number in count():
            if way == "restarted" and number == 2:
                self.end("A")
            yield self.url("B" if way == "two gateways" and number % 2 else "A")

    def url(self, name: str) -> str:
        """Where this one listens, with all its tools."""
        if name not in self._running:
            home = self._home / name
            home.mkdir(exist_ok=True)
            gateway = self._running.setdefault(name, ExitStack()).enter_context(Gateway(home, self._settings))
            until(lambda: gateway.get("/readyz").json()["status"] == "ready", 60)
            self._urls[name] = gateway.url
        return self._urls[name]

    def end(self, *names: str) -> None:
        """Ends these, or all. Those that are needed again are started again."""
        for name in names or tuple(self._running):
            if stack := self._running.pop(name, None):
                stack.close()


@dataclass(frozen=True, slots=True)
class House:
    """Strict providers, and the gateways before them."""

    openai: FakeOpenAI
    anthropic: FakeAnthropic
    gateways: Gateways

    def provider(self, path: str) -> Provider:
        """Who serves this route; nothing was asked of it yet."""
        provider: Provider = self.anthropic if path.endswith("/messages") else self.openai
        provider.requests.clear()
        provider.faults.clear()
        return provider


@contextmanager
def house(home: Path) -> Iterator[House]:
    """With an MCP server that we did not write, which tells the time."""
    time = {"command": sys.executable, "args": ["-m", "mcp_server_time", "--local-timezone", "UTC"]}
    stored = {"GET /responses/*": reply({"object": "response"})}
    with FakeOpenAI(strict=True, routes=stored) as fake_openai, FakeAnthropic(strict=True) as fake_anthropic:
        settings = {
            "providers": {
                "openai": {"base_url": fake_openai.url, "api_keys": ["sk-of-the-gateway-0123456789"]},
                "anthropic": {"base_url": fake_anthropic.url, "api_keys": ["sk-ant-of-the-gateway-0123456789"]},
            },
            "mcp_servers": {"time": time},
        }
        gateways = Gateways(home, settings)
        try:
            yield House(fake_openai, fake_anthropic, gateways)
        finally:
            gateways.end()


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
        self._begun = False

    def ask(self, url: str, question: str, **options: Any) -> Told:
        """The person says something."""
        if not self._begun:  # differently each time: of conversations that look the same the latest is remembered
            question, self._begun = f"{uuid4().hex}: {question}", True
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
        tool: Any = {"type": "function", "name": "read_file", "strict": False}
        tool["parameters"] = {"type": "object", "properties": {}}
        asked: Any = {"model": "gpt-6", "input": self.history, "tools": [tool], **self.members, **options}
        with openai_at(url) as client:
            response = _streamed(client, asked) if self.streaming else client.responses.create(**asked)
        self.take(response)
        calls = [item.call_id for item in response.output if isinstance(item, ResponseFunctionToolCall)]
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


def shown(view: View) -> str:
    """The conversation that the model was shown, a piece on each line."""
    return b"\n".join(view.conversation).decode()


def ids(told: str) -> list[str]:
    """The calls and results, as they follow one another."""
    return re.findall(r':"(call_\d+)"', told)


def all_ids(script: Iterable[Answer]) -> list[str]:
    """The same, as they should: each round's calls, then their results in the same order."""
    rounds = [[made.id for made in one.calls] for one in script]
    return [id_ for made in rounds for id_ in (*made, *made)]
