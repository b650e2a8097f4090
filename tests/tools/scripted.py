"""A server of the handshake's protocol whose answer to a call is written by the test, byte by byte where need be."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from aibridge.testing.serve import serving
from aibridge.tools.session import ServerSession
from aibridge.tools.timing import Timing
from tests.tools.support import http, session

Answer = Callable[[dict[str, Any]], Response | Awaitable[Response]]

FOUND = {"content": [{"type": "text", "text": "found"}]}


def result(message: dict[str, Any], result: Any = FOUND) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def error(message: dict[str, Any], code: int, text: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": text}}


def event(message: Any, id: str = "") -> bytes:  # noqa: A002  the field's own name
    return (f"id: {id}\n" if id else "").encode() + b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n"


def events(*parts: bytes) -> StreamingResponse:
    return StreamingResponse(iter(parts), media_type="text/event-stream")


@dataclass
class Seen:
    """A request that came in."""

    method: str
    headers: dict[str, str]
    message: dict[str, Any]
    client: tuple[str, int]


@dataclass
class Scripted:
    """Answers calls as `call` says, and a GET that goes on with a stream as `resume` says."""

    call: Answer
    resume: Callable[[str], Response] = lambda _: Response(status_code=405)
    tools: list[Any] = field(default_factory=lambda: [{"name": "t", "inputSchema": {"type": "object"}}])
    seen: list[Seen] = field(default_factory=list)

    def messages(self, method: str) -> list[dict[str, Any]]:
        return [seen.message for seen in self.seen if seen.message.get("method") == method]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            response = await self._response(Request(scope, receive))
            await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        body = await request.body()
        message = json.loads(body) if body else {}
        client = request.scope["client"]
        self.seen.append(Seen(request.method, dict(request.headers), message, client))
        match request.method, message.get("method"):
            case "GET", _:
                last = request.headers.get("last-event-id")
                return Response(status_code=405) if last is None else self.resume(last)
            case "DELETE", _:
                return Response()
            case "POST", "initialize":
                about = {"capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
                answer = result(message, {"protocolVersion": "2025-06-18", **about})
                return JSONResponse(answer, headers={"mcp-session-id": "session-1"})
            case "POST", "tools/list":
                return JSONResponse(result(message, {"tools": self.tools}))
            case "POST", "tools/call":
                answered = self.call(message)
                return answered if isinstance(answered, Response) else await answered
            case "POST", method if method is not None and "id" in message:
                return JSONResponse(error(message, -32601, "unknown"))
            case _:
                return Response(status_code=202)


@asynccontextmanager
async def scripted(server: Scripted, *, timing: Timing | None = None, **more: Any) -> AsyncIterator[ServerSession]:
    """A session with the server."""
    async with serving(server) as url, session(http(f"{url}/mcp", **more), timing=timing) as connected:
        assert connected.state == "connected", connected.reason
        yield connected
