"""The scripts call what is offered, and tell at their end how many rounds and calls there were."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.testing import Call, Request
from aibridge.testing.chat import CHAT
from tests.chaos.kinds import marked, play

READERS = ("bmcp_pages_read", "bmcp_shelf_read")


def request(model: str, results: list[str], offered: tuple[str, ...] = READERS) -> Request:
    tools = [{"type": "function", "function": {"name": name}} for name in offered]
    messages = [{"role": "tool", "tool_call_id": call, "content": "a page"} for call in results]
    body: dict[str, Any] = {"model": model, "messages": messages, "tools": tools}
    return Request("POST", "/v1/chat/completions", body=json.dumps(body).encode(), dialect=CHAT)


def played(model: str, offered: tuple[str, ...] = READERS) -> list[int]:
    """How many calls each round made, and behind them what the last one says of itself."""
    results: list[str] = []
    calls: list[int] = []
    while True:
        answer = play(request(model, results, offered))
        told = marked(answer.text.encode())
        made: list[Call] = list(answer.calls)
        if told:
            return [*calls, *told]
        calls.append(len(made))
        results += [one.id for one in made]


@pytest.mark.parametrize(
    ("model", "rounds"),
    [
        ("talks", [1, 0]),
        ("thinks-slowly", [1, 0]),
        ("looks", [1, 2, 1]),
        ("digs", [2, 2, 3, 4]),
        ("hands-over", [1, 1]),
    ],
)
def test_an_answer_tells_what_it_took(model: str, rounds: list[int]) -> None:
    assert played(model) == rounds


def test_where_no_tool_is_offered_none_is_called() -> None:
    assert played("digs", offered=()) == [1, 0]


def test_a_name_that_no_script_has() -> None:
    with pytest.raises(ValueError, match="sings"):
        play(request("sings", []))
