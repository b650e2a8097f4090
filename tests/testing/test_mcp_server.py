from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types import ImageContent, TextContent

from aibridge.testing.mcp_server import FakeMCPServer, error, image, resource


async def call(server: FakeMCPServer, tool: str, arguments: dict[str, Any] | None = None) -> Any:
    """The tool's result, or the error of the protocol, which the SDK would wrap in groups on its way out."""
    async with Client(server.url) as client:
        try:
            return await client.call_tool(tool, arguments or {})
        except MCPError as refusal:
            return refusal


async def doubled(arguments: Mapping[str, Any]) -> str:
    await asyncio.sleep(0)
    return str(2 * arguments["x"])


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        ("words", "words"),
        ({"a": [1]}, '{"a":[1]}'),
        (lambda arguments: f"x is {arguments['x']}", "x is 21"),
        (doubled, "42"),
    ],
)
async def test_a_tool_gives_what_it_was_told_to(gives: Any, said: str) -> None:
    async with FakeMCPServer() as server:
        server.tool("t", gives)
        result = await call(server, "t", {"x": 21})
        assert result.content == [TextContent(text=said)]
        assert not result.is_error
        assert [(made.tool, made.arguments, made.outcome) for made in server.calls] == [("t", {"x": 21}, "answered")]


async def test_a_dict_is_structured_content_too() -> None:
    async with FakeMCPServer() as server:
        server.tool("t", {"a": 1})
        assert (await call(server, "t")).structured_content == {"a": 1}


async def test_a_tools_own_failure() -> None:
    async with FakeMCPServer() as server:
        server.tool("t", error("no such city"))
        result = await call(server, "t")
        assert (result.is_error, result.content) == (True, [TextContent(text="no such city")])


async def test_a_picture_and_a_resource() -> None:
    async with FakeMCPServer() as server:
        server.tool("draw", image(b"\x89PNG"))
        server.tool("read", resource("file:///a", "its text"))
        assert (await call(server, "draw")).content == [ImageContent(data="iVBORw==", mime_type="image/png")]
        assert (await call(server, "read")).content[0].resource.text == "its text"


async def test_an_exception_is_an_error_of_the_server() -> None:
    async with FakeMCPServer() as server:
        server.tool("t", RuntimeError("broken"))
        assert isinstance(await call(server, "t"), MCPError)
        assert server.calls[0].outcome == "failed"


async def test_a_tool_it_does_not_have() -> None:
    async with FakeMCPServer() as server:
        assert str(await call(server, "nope")) == "there is no tool 'nope'"


async def test_a_call_that_waits_and_is_given_up() -> None:
    async with FakeMCPServer() as server:
        server.tool("slow", lambda _: asyncio.Event().wait())  # type: ignore[arg-type, return-value]  # it never returns
        calling = asyncio.create_task(call(server, "slow"))
        await server.called()
        assert not server.calls[0].ended.is_set()
        calling.cancel()
        async with asyncio.timeout(5):
            await server.calls[0].ended.wait()
        assert server.calls[0].outcome == "cancelled"


@pytest.mark.parametrize(("handshake", "version"), [(False, "2026-07-28"), (True, "2025-11-25")])
async def test_it_speaks_both_protocols(handshake: bool, version: str) -> None:
    async with FakeMCPServer(handshake=handshake) as server:
        server.tool("t", description="A tool", schema={"type": "object", "properties": {"x": {}}})
        async with Client(server.url) as client:
            assert client.protocol_version == version
            (tool,) = (await client.list_tools()).tools
            assert (tool.name, tool.description) == ("t", "A tool")
            assert tool.input_schema == {"type": "object", "properties": {"x": {}}}
        await server.listed()


async def test_headers_of_a_call_are_seen() -> None:
    async with FakeMCPServer() as server:
        server.tool("t")
        await call(server, "t")
        assert "python" in server.calls[0].headers["user-agent"]


async def test_down_it_answers_nobody_and_up_again_it_does() -> None:
    async with FakeMCPServer() as server:
        server.tool("t")
        server.go_down()
        with pytest.raises(Exception):  # noqa: B017  the SDK raises a group of what httpx2 raises
            await call(server, "t")
        await server.come_up()
        assert not (await call(server, "t")).is_error


async def test_nothing_of_it_is_left_running() -> None:
    before = asyncio.all_tasks()
    async with FakeMCPServer() as server:
        server.tool("t")
        await call(server, "t")
    assert asyncio.all_tasks() <= before
