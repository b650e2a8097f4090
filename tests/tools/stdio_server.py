"""A small MCP server on standard input and output, without the SDK, so that it can misbehave. Its arguments say how."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

HABITS = set(sys.argv[1:])

GOOD = {"name": "echo", "description": "Says it again", "inputSchema": {"type": "object", "properties": {"text": {}}}}
TOOLS = [GOOD, *({"name": name, "inputSchema": {"type": "object"}} for name in ("die", "hang", "flood", "environment"))]
LIES: list[Any] = [
    {"name": "nulls", "inputSchema": {"type": "object", "properties": None, "required": None}},
    {"name": "nothing", "inputSchema": None, "outputSchema": "what?", "annotations": 7, "title": "Says nothing"},
    {"name": "list", "inputSchema": ["a"], "description": ["no", "text"]},
    {"name": 5, "inputSchema": {}},
    "no tool at all",
]


def send(message: dict[str, Any]) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


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
        print("I am\x1b[31m dying", file=sys.stderr, flush=True)
        os._exit(3)
    if name == "flood":
        while True:
            sys.stdout.write("x" * 1_000_000)
    if name == "environment":
        return {"content": [{"type": "text", "text": json.dumps(dict(os.environ))}]}
    return {"content": [{"type": "text", "text": str(arguments.get("text"))}]}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        info = {"name": "small", "version": "1"}
        return {"result": {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info,
                           "instructions": "line one\nline two"}}  # fmt: skip
    if method == "tools/list" and "no-tools" not in HABITS:
        return {"result": listing(params.get("cursor"))}
    if method == "tools/call":
        return {"result": call(params["name"], params.get("arguments") or {})}
    return {"error": {"code": -32601, "message": "Method not found"}}


def main() -> None:
    if "ignores-sigterm" in HABITS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "banner" in HABITS:
        print("Welcome! \x1b[32mThis is no JSON.", flush=True)
        sys.stdout.buffer.write(b"\xff\xfe\n")
        sys.stdout.flush()
    for line in sys.stdin:
        message = json.loads(line)
        if message["method"] == "notifications/cancelled":
            print("told to cancel", file=sys.stderr, flush=True)
        if "id" not in message or message.get("params", {}).get("name") == "hang" or "mute" in HABITS:
            continue
        if "log" in HABITS:
            data = {"level": "info", "data": "a\nlog \x1b[31mentry"}
            send({"method": "notifications/message", "params": data})
        send({"id": message["id"], **answer(message["method"], message.get("params") or {})})
    if "closes-output" in HABITS:
        sys.stdout.close()
    while "ignores-eof" in HABITS or "ignores-sigterm" in HABITS:
        time.sleep(60)


if __name__ == "__main__":
    main()
