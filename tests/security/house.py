"""The whole gateway on a loopback port, between fake providers and MCP servers: what an attacker can reach of it."""

from __future__ import annotations

import asyncio
import io
import logging
import sqlite3
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import httpx2

from aibridge import app
from aibridge.config import Settings
from aibridge.telemetry.logs import formatter
from aibridge.telemetry.redaction import Redactor
from aibridge.testing import FakeAnthropic, FakeOpenAI, Request, answer
from aibridge.testing.behaviour import Behaviour
from aibridge.testing.mcp_server import FakeMCPServer
from tests.waiting import eventually

KEY = "sk-canary-0123456789abcdef"
QUESTION = {"role": "user", "content": "What time is it?"}
CHAT, RESPONSES, MESSAGES = "/openai/v1/chat/completions", "/openai/v1/responses", "/anthropic/v1/messages"
ROUTES = [CHAT, RESPONSES, MESSAGES]

Table = Literal["interceptions", "token_usages", "tool_usages", "user_prompts", "model_thoughts"]
Row = dict[str, Any]
T = TypeVar("T")


@dataclass
class House:
    """A gateway that serves, and what is around it."""

    url: str
    client: httpx2.AsyncClient
    openai: FakeOpenAI
    anthropic: FakeAnthropic
    database: Path
    inside: app.House

    @property
    def asked(self) -> list[Request]:
        """All that reached a provider."""
        return [*self.openai.requests, *self.anthropic.requests]

    async def ask(self, path: str = CHAT, *, headers: Mapping[str, str] | None = None, **more: Any) -> httpx2.Response:
        """Asks in a route's dialect, and waits for the whole answer."""
        return await self.client.post(path, json=body(path, **more), headers=headers)

    async def send(self, *pieces: bytes) -> bytes:
        """What is answered to these bytes on a connection of their own, up to its end or a second of silence."""
        reader, writer = await self.connect()
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await _heard(reader)
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection of one's own."""
        parts = urlsplit(self.url)
        return await asyncio.open_connection(parts.hostname, parts.port)

    def rows(self, table: Table) -> list[Row]:
        """What is in the database now, as an operator would look."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(f"SELECT * FROM aibridge_{table} ORDER BY rowid")]  # noqa: S608

    async def ended(self, count: int = 1) -> list[Row]:
        """All interceptions, once so many are over."""

        def look() -> list[Row] | None:
            rows = [row for row in self.rows("interceptions") if row["ended_at"]]
            return rows if len(rows) >= count else None

        return await eventually(look)


@asynccontextmanager
async def house(
    home: Path,
    behaviour: Behaviour = answer("Fine."),  # noqa: B008  frozen
    *,
    servers: Mapping[str, FakeMCPServer | Mapping[str, Any]] | None = None,
    provider: Mapping[str, Any] | None = None,
    routes: Mapping[str, Behaviour] | None = None,
    strict: bool = False,
    **more: Any,
) -> AsyncIterator[House]:
    """A gateway with two providers that answer alike, `openai` and `anthropic`, and these MCP servers.

    `provider`: settings of both providers. `strict`: they refuse what the real ones would. `more`: further settings.
    """
    async with (
        FakeOpenAI(behaviour, routes=routes, strict=strict) as openai,
        FakeAnthropic(behaviour, routes=routes, strict=strict) as anthropic,
    ):
        once = {"api_keys": [KEY], "retries": {"max": 0}, "circuit_breaker": None, **(provider or {})}
        database = home / "aibridge.db"
        settings = Settings.model_validate(
            {
                "server": {"port": 0, **more.pop("server", {})},
                "providers": {
                    "openai": {"base_url": openai.url, **once},
                    "anthropic": {"base_url": anthropic.url, **once},
                },
                "mcp_servers": {name: _server(one) for name, one in (servers or {}).items()},
                "recorder": {"url": f"sqlite:///{database}"},
                **more,
            }
        )
        async with app.running(settings) as inside:
            async with httpx2.AsyncClient(base_url=inside.url, timeout=20, trust_env=False) as client:
                if servers:
                    await eventually(lambda: all(one.state != "connecting" for one in inside.tools.states()))
                yield House(inside.url, client, openai, anthropic, database, inside)


def body(path: str = CHAT, **more: Any) -> dict[str, Any]:
    """A question in a route's dialect."""
    if path.endswith("responses"):
        return {"model": "gpt-6", "input": "What time is it?", **more}
    limit = {"max_tokens": 100} if path.endswith("messages") else {}
    return {"model": "gpt-6", "messages": [QUESTION], **limit, **more}


def tool(path: str, name: str) -> dict[str, Any]:
    """A client tool, as a route's dialect declares it."""
    schema = {"type": "object", "properties": {}}
    if path.endswith("messages"):
        return {"name": name, "input_schema": schema}
    if path.endswith("responses"):
        return {"type": "function", "name": name, "parameters": schema}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def post(path: str, content: bytes = b"{}", *headers: bytes) -> bytes:
    """A request as it goes over the wire; the connection ends behind its answer."""
    told = [b"Host: 127.0.0.1", b"Connection: close", b"Content-Length: %d" % len(content), *headers]
    return b"\r\n".join([b"POST %b HTTP/1.1" % path.encode("latin-1"), *told, b"", content])


def statuses(answered: bytes) -> list[int]:
    """The statuses of the responses in these bytes."""
    return [int(line.split(b" ")[1]) for line in answered.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


@contextmanager
def logged(form: Literal["json", "console"] = "json") -> Generator[io.StringIO]:
    """The log of the gateway at its most talkative, as `serve` would write it but with no secret known to it."""
    stream = io.StringIO()
    handler, gateway = logging.StreamHandler(stream), logging.getLogger("aibridge")
    handler.setFormatter(formatter(form, stream, Redactor()))
    level = gateway.level
    gateway.addHandler(handler)
    gateway.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        gateway.removeHandler(handler)
        gateway.setLevel(level)


def _server(one: FakeMCPServer | Mapping[str, Any]) -> Mapping[str, Any]:
    return {"url": one.url} if isinstance(one, FakeMCPServer) else one


async def _heard(reader: asyncio.StreamReader) -> bytes:
    heard = b""
    while True:
        try:
            async with asyncio.timeout(1):
                piece = await reader.read(65536)
        except TimeoutError:
            return heard
        if not piece:
            return heard
        heard += piece
