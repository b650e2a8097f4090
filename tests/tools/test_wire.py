from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse

from aibridge.tools.wire import Watched


def answer(result: dict[str, Any]) -> SessionMessage:
    return SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=1, result=result))


async def test_the_end_of_the_messages_is_announced_once_it_is_there() -> None:
    ends: list[str] = []
    send, receive = anyio.create_memory_object_stream[Any](2)
    watched = Watched(receive, ends.append)
    first, second = answer({}), ValueError("no message")
    send.send_nowait(first)
    send.send_nowait(second)
    send.close()
    async with watched:
        assert await watched.receive() is first
        assert not ends
        assert [item async for item in watched] == [second]
        assert ends == ["the server closed the connection"]
    with pytest.raises(anyio.ClosedResourceError):
        await receive.receive()


async def test_the_context_of_a_message_is_passed_on_where_there_is_one() -> None:
    class Stream:
        last_context = "the sender's"

    assert Watched(Stream(), print).last_context == "the sender's"
    assert Watched(object(), print).last_context is None


@pytest.mark.parametrize("result", [{"tools": {"a": 1}}, {"content": [{"type": "text", "text": "tools"}]}, {}])
async def test_other_answers_stay_as_they_are(result: dict[str, Any]) -> None:
    send, receive = anyio.create_memory_object_stream[Any](1)
    send.send_nowait(answer(dict(result)))
    async with send, Watched(receive, print) as watched:
        message: Any = getattr(await watched.receive(), "message")  # noqa: B009  it is no exception
    assert message.result == result


async def test_a_list_of_tools_is_mended() -> None:
    send, receive = anyio.create_memory_object_stream[Any](1)
    tool = {"name": "t", "inputSchema": {"required": None, "$defs": {}}, "outputSchema": 5, "title": "T", "icons": "x"}
    send.send_nowait(answer({"tools": [tool, None], "nextCursor": "2"}))
    async with send, Watched(receive, print) as watched:
        message: Any = getattr(await watched.receive(), "message")  # noqa: B009  it is no exception
    assert message.result == {
        "tools": [{"name": "t", "description": "T", "inputSchema": {"type": "object", "properties": {}, "$defs": {}}}],
        "nextCursor": "2",
    }
