from __future__ import annotations

from typing import Any

from aibridge.tools.wire import MAX_DESCRIPTION_CHARS
from tests.tools.support import session, stdio


async def test_all_pages_are_read() -> None:
    async with session(stdio("pages")) as server:
        assert [tool.name for tool in server.tools] == ["die", "echo"]


async def test_a_list_without_end_is_cut(caplog: Any) -> None:
    async with session(stdio("endless")) as server:
        assert server.state == "connected"
        assert len(server.tools) == 100
    assert "MCP server own lists too many tools" in caplog.text


async def test_a_server_without_tools_is_connected_all_the_same() -> None:
    async with session(stdio("no-tools")) as server:
        assert (server.state, server.tools) == ("connected", ())


async def test_lies_about_schemas_are_mended_and_what_is_no_tool_is_left_out() -> None:
    async with session(stdio("lies")) as server:
        assert {tool.name: tool.description for tool in server.tools} == {
            "list": "",
            "nothing": "Says nothing",
            "nulls": "",
        }
        assert {tool.schema for tool in server.tools} == {b'{"type":"object","properties":{}}'}


async def test_a_tool_that_lied_about_its_output_can_be_called() -> None:
    async with session(stdio("lies")) as server:
        assert (await server.call("nothing", {"text": "hello"})).text == "hello"


async def test_a_tool_listed_twice_is_one() -> None:
    async with session(stdio("twice")) as server:
        assert [tool.name for tool in server.tools] == ["echo"]


async def test_a_long_description_is_cut() -> None:
    async with session(stdio("verbose")) as server:
        assert [len(tool.description) for tool in server.tools] == [MAX_DESCRIPTION_CHARS]
