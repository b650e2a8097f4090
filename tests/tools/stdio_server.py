"""A small MCP server on standard input and output, without the SDK, so that it can misbehave. Its arguments say how."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any, TextIO

HABITS = set(sys.argv[1:])

GOOD = {"name": "echo", "description": "Says it again", "inputSchema": {"type": "object", "properties": {"text": {}}}}
TOOLS = [
    GOOD,
    *(
        {"name": name, "inputSchema": {"type": "object"}}
        for name in ("die", "hang", "flood", "close-output", "environment")
    ),
]
LIES: list[Any] = [
    {"name": "nulls", "inputSchema": {"type": "object", "properties": None, "required": None}},
    {"name": "nothing", "inputSchema": None, "outputSchema": "what?", "annotations": 7, "title": "Says nothing"},
    {"name": "list", "inputSchema": ["a"], "description": ["no", "text"]},
    {"name": 5, "inputSchema": {}},
    "no tool at all",
]


def send(message: dict[str, Any]) -> None:
    say(json.dumps({"jsonrpc": "2.0", **message}))


def say(line: str, where: TextIO = sys.stdout) -> None:
    where.write(f"{line}\n")
    where.flush()


def listing(cursor: str | None) -> dict[str, Any]:
    if "endless" in HABITS:
        number = int(cursor or 0)
        return {"tools": [{"name": f"tool_{number}", "inputSchema": {}}], "nextCursor": str(number + 1)}
    if "pages" in HABITS:
        return {"tools": [TOOLS[1]]} if cursor else {"tools": [GOOD], "nextCursor": "more"}
    if "twice" in HABITS:
        return {"tools": [GOOD, GOOD]}
    if "verbose" in HABITS:
        return {"tools": [GOOD | {"description": "x" * 1_000_000}]}
    return {"tools": LIES if "lies" in HABITS else TOOLS}


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    if name == "die":
        say("I am\x1b[31m dying", sys.stderr)
        os._exit(3)
    if name == "close-output":
        os.close(1)
        _wait()
    if name == "flood":
        while True:
            sys.stdout.write("x" * 1_000_000)
    if name == "environment":
        return {"content": [{"type": "text", "text": json.dumps(dict(os.environ))}]}
    return {"content": [{"type": "text", "text": str(arguments.get("text"))}]}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        hello = {"serverInfo": {"name": "small", "version": "1"}, "instructions": "line one\nline two"}
        return {"result": {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, **hello}}
    if method == "tools/list" and "no-tools" not in HABITS:
        return {"result": listing(params.get("cursor"))}
    if method == "tools/call":
        return {"result": call(params["name"], params.get("arguments") or {})}
    return {"error": {"code": -32601, "message": "Method not found"}}


def main() -> None:
    if "ignores-sigterm" in HABITS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "banner" in HABITS:
        say("Welcome! \x1b[32mThis is no JSON.")
        sys.stdout.buffer.write(b"\xff\xfe\n")
        sys.stdout.flush()
    for line in sys.stdin:
        message = json.loads(line)
        if message["method"] == "notifications/cancelled":
            say("told to cancel", sys.stderr)
        if "id" not in message or message.get("params", {}).get("name") == "hang" or "mute" in HABITS:
            continue
        if "log" in HABITS:
            data = {"level": "info", "data": "a\nlog \x1b[31mentry"}
            send({"method": "notifications/message", "params": data})
        send({"id": message["id"], **answer(message["method"], message.get("params") or {})})
    while "ignores-eof" in HABITS or "ignores-sigterm" in HABITS:
        _wait()


def _wait() -> None:
    """Does nothing until somebody ends this process."""
    threading.Event().wait(60)


if __name__ == "__main__":
    main()
