"""The MCP server to show things with, as a real process."""

import re
import sys

import pytest
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, TextContent


async def call(**arguments: str) -> CallToolResult:
    server = StdioServerParameters(command=sys.executable, args=["-m", "aibridge.testing.demo"])
    async with Client(server) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["now"]
        return await client.call_tool("now", arguments)


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize("zone", ["UTC", "Europe/Vienna"])
async def test_it_tells_the_time(zone: str) -> None:
    result = await call(tz=zone)
    assert not result.is_error
    assert re.fullmatch(rf"\d\d:\d\d:\d\d {zone}", text(result))


async def test_a_zone_that_does_not_exist_is_an_error_with_a_remedy() -> None:
    result = await call(tz="Mars/Olympus")
    assert result.is_error
    assert "there is no time zone 'Mars/Olympus'; name it as in Europe/Vienna" in text(result)
