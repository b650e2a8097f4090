"""A client's trace goes on to a real MCP server: over HTTP, through the SDK, beside the arguments of a call."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from aibridge.config import Settings
from aibridge.testing.mcp_server import FakeMCPServer
from aibridge.wiring import tool_servers
from tests.telemetry.test_tracing import TRACE, WHO, Tracer, header_of
from tests.tools.support import ME, call_of


@pytest.mark.parametrize("handshake", [False, True], ids=["stateless", "handshake"])
async def test_each_call_tells_its_server_of_its_own_span(handshake: bool) -> None:
    tracer = Tracer()
    async with FakeMCPServer(handshake=handshake) as server, asyncio.timeout(30):
        server.tool("now", "late")
        settings = Settings.model_validate({"mcp_servers": {"web": {"url": server.url}}})
        async with tool_servers(settings) as servers:
            assert await servers.settled(10)
            toolbox = tracer.tracing.toolboxes(servers).offer(ME, "")
            [tool] = toolbox.tools
            with tracer.tracing.intercept(*WHO):
                results = await toolbox.call([call_of(tool), replace(call_of(tool), id="call_2")])
    assert [result.error for result in results] == [None, None]
    spans = [span for span in tracer.spans if span.name == "Intercept.ProcessRequest.ToolCall"]
    told = [call.meta["traceparent"] for call in server.calls]
    assert sorted(told) == sorted(header_of(span) for span in spans)
    assert all(TRACE in parent for parent in told)


async def test_without_traces_nothing_is_told() -> None:
    async with FakeMCPServer() as server, asyncio.timeout(30):
        server.tool("now", "late")
        settings = Settings.model_validate({"mcp_servers": {"web": {"url": server.url}}})
        async with tool_servers(settings) as servers:
            assert await servers.settled(10)
            toolbox = servers.offer(ME, "")
            await toolbox.call([call_of(toolbox.tools[0])])
    assert "traceparent" not in server.calls[0].meta
