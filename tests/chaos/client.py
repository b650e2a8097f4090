"""A client that knows for each request what came of it, in each dialect."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from tests.chaos.kinds import CLIENT_TOOL, marked
from tests.chaos.ledger import Asked, Seen

_SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
_KEPT = 2000  # bytes


@dataclass(frozen=True, slots=True)
class Speech:
    """A dialect as a client knows it. The patterns are searched at the end of a stream."""

    path: str
    terminal: re.Pattern[bytes]
    failure: re.Pattern[bytes]

    def body(self, asked: Asked) -> dict[str, Any]:
        """The request."""
        said = [*asked.history, {"role": "user", "content": asked.prompt}]
        body: dict[str, Any] = {"model": asked.model, "stream": asked.streaming}
        body |= {"input": said} if asked.dialect == "responses" else {"messages": said}
        if asked.dialect == "messages":
            body["max_tokens"] = 1000
        if asked.model.startswith("hands-over"):
            body["tools"] = [_client_tool(asked.dialect)]
        return body


SPEECHES = {
    "chat_completions": Speech(
        "/openai/v1/chat/completions",
        re.compile(rb"data: \[DONE\]\s*$"),
        re.compile(rb'data: ?\{"error": ?\{'),
    ),
    "responses": Speech(
        "/openai/v1/responses",
        re.compile(rb'"type": ?"response\.completed"'),
        re.compile(rb'"type": ?"(error|response\.failed)"'),
    ),
    "messages": Speech(
        "/anthropic/v1/messages",
        re.compile(rb'"type": ?"message_stop"'),
        re.compile(rb'event: error\s+data: \{"type": ?"error"'),
    ),
}


async def ask(session: aiohttp.ClientSession, origin: str, asked: Asked, deadline: float) -> None:
    """Sends a request and writes down what came of it. Raises nothing but CancelledError."""
    speech, received = SPEECHES[asked.dialect], bytearray()
    asked.seen = "nothing"
    try:
        async with asyncio.timeout(deadline), session.post(origin + speech.path, json=speech.body(asked)) as response:
            asked.status = response.status
            asked.id = response.headers.get("x-aibridge-interception-id", "")
            asked.seen = "cut"  # unless there is more
            async for data in response.content.iter_any():
                received += data
            asked.seen = judged(asked, speech, bytes(received))
    except TimeoutError:
        asked.seen = "hung"
    except (aiohttp.ClientError, OSError):
        if asked.seen == "cut" and speech.terminal.search(received):
            asked.seen = "complete"  # only the end of the HTTP message is missing
    except asyncio.CancelledError:
        asked.seen = "cut"  # by ourselves
        raise
    finally:
        asked.ended = time.monotonic()
        if asked.seen == "complete":
            asked.rounds, asked.calls = marked(bytes(received)) or (0, 0)
        elif asked.seen != "nothing":
            asked.last = bytes(received[-_KEPT:])


def judged(asked: Asked, speech: Speech, body: bytes) -> Seen:
    """What a client makes of a response whose HTTP message is whole."""
    if asked.status != 200:
        return "error" if _is_error(asked.dialect, body) else "odd"
    if not asked.streaming:
        return "complete" if _is_object(body) and marked(body) else "odd"
    if speech.terminal.search(body):  # chat's [DONE] may stand behind an error
        return "error" if speech.failure.search(body) else "complete"
    return "error" if speech.failure.search(body) else "odd"


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(body), dict)
    except msgspec.DecodeError:
        return False


def _is_error(dialect: str, body: bytes) -> bool:
    """An error as the dialect's own SDK reads it."""
    if not _is_object(body):
        return False
    content = msgspec.json.decode(body)
    error = content.get("error")
    told = isinstance(error, dict) and isinstance(error.get("message"), str) and isinstance(error.get("type"), str)
    return told and (dialect != "messages" or content.get("type") == "error")


def _client_tool(dialect: str) -> dict[str, Any]:
    match dialect:
        case "chat_completions":
            return {"type": "function", "function": {"name": CLIENT_TOOL, "parameters": _SCHEMA}}
        case "responses":
            return {"type": "function", "name": CLIENT_TOOL, "parameters": _SCHEMA}
        case _:
            return {"name": CLIENT_TOOL, "input_schema": _SCHEMA}
