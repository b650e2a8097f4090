"""What it costs to put hidden turns back: the CPU of `lookups()` and `restore()`, in this process and without I/O.

A long conversation: 200 messages of 500 to 1,000 characters, and 20 calls of ours that the client never saw.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable
from typing import Any

import msgspec

from aibridge.dialects.base import Exchange
from aibridge.dialects.chat_completions import ChatCompletions
from aibridge.dialects.messages import Messages
from aibridge.dialects.responses import Responses
from aibridge.model import HiddenTurn, InjectedTool, Text, ToolResult

MESSAGES = 200
HIDDEN = 20
LONG_ENOUGH = 20  # times, of which the fastest counts: the others met somebody else's noise

_TOOL = InjectedTool("bmcp_bench_look", "look", "bench", "http://bench", "Looks it up.", b'{"type":"object"}')
_OPENS: dict[str, Callable[..., Exchange]] = {
    "chat_completions": ChatCompletions,
    "messages": Messages,
    "responses": Responses,
}

Message = dict[str, Any]


def recall(dialect: str, repeats: int) -> list[float]:
    """ms of CPU, a value for each repeat."""
    history, turns = _talk(dialect)
    return [_cost(dialect, history, turns) for _ in range(repeats)]


def _cost(name: str, history: list[Message], turns: list[HiddenTurn]) -> float:
    body = _body(name, history)
    gc.collect()
    return min(_once(_open(name, body), turns) for _ in range(LONG_ENOUGH)) * 1e3


def _once(exchange: Exchange, turns: list[HiddenTurn]) -> float:
    started = time.thread_time()
    wanted = set(exchange.lookups())
    exchange.restore([turn for turn in turns if wanted.intersection(turn.keys)])
    spent = time.thread_time() - started
    assert exchange.recalled == HIDDEN, exchange.recalled
    return spent


def _talk(name: str) -> tuple[list[Message], list[HiddenTurn]]:
    """A client's history, and what it does not know of it."""
    words = random.Random(7)
    history: list[Message] = []
    turns: list[HiddenTurn] = []
    for number in range(MESSAGES // 2):
        history.append({"role": "user", "content": _text(words)})
        text = _text(words)
        if number % (MESSAGES // 2 // HIDDEN) == 0:
            turns.append(_hidden(name, history, number, text, _text(words)))
        history.append({"role": "assistant", "content": text})
    return history, turns


def _hidden(name: str, history: list[Message], number: int, text: str, result: str) -> HiddenTurn:
    """The turn in which the model calls our tool, and then says this."""
    exchange = _open(name, _body(name, history))
    exchange.lookups()
    _round(exchange, _answer(name, calls=number))
    exchange.resume([ToolResult((Text(result),))])
    _round(exchange, _answer(name, text=text))
    turn = exchange.hidden()
    assert turn is not None
    return turn


def _round(exchange: Exchange, answer: bytes) -> None:
    exchange.request()
    for outputs in (exchange.begin(200, ()), exchange.receive(answer), exchange.end_round()):
        list(outputs)


def _open(name: str, body: bytes) -> Exchange:
    return _OPENS[name](body, id="bench", tools=[_TOOL])


def _body(name: str, history: list[Message]) -> bytes:
    return msgspec.json.encode({"model": "m", "input" if name == "responses" else "messages": history})


def _answer(name: str, *, calls: int | None = None, text: str = "") -> bytes:
    """An answer that calls our tool, or says something."""
    id_ = f"call_{calls}"
    match name:
        case "chat_completions":
            function = {"name": _TOOL.name, "arguments": "{}"}
            called = {"tool_calls": [{"id": id_, "type": "function", "function": function}]}
            message: Message = {"role": "assistant", "content": text or None, **({} if text else called)}
            answer: Message = {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        case "messages":
            use: Message = {"type": "tool_use", "id": id_, "name": _TOOL.name, "input": {}}
            said: Message = {"type": "text", "text": text}
            answer = {"id": "x", "type": "message", "content": [said if text else use]}
        case _:
            call: Message = {"type": "function_call", "call_id": id_, "name": _TOOL.name, "arguments": "{}"}
            said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
            answer = {"id": "x", "object": "response", "status": "completed", "output": [said if text else call]}
    return msgspec.json.encode(answer)


def _text(words: random.Random) -> str:
    """500 to 1,000 characters."""
    length = words.randint(500, 1000)
    text = " ".join("".join(words.choices("abcdefgh", k=words.randint(2, 9))) for _ in range(length // 3))
    return text[:length]
