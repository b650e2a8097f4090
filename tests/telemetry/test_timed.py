import asyncio

import pytest

from aibridge.errors import UpstreamError
from aibridge.model import Actor, ToolResult
from aibridge.telemetry.timed import TimedToolboxes, TimedUpstreams
from aibridge.telemetry.watch import Watch
from tests.telemetry.fakes import CALL, TARGET, TOOL, FakeClock, FakeResponse, FakeToolboxes, FakeUpstreams


async def test_a_round_counts_from_the_request_to_the_last_byte() -> None:
    clock = FakeClock()
    response = FakeResponse(200, [b"a", b"b"], before_chunk=lambda: clock.advance(2), headers=((b"a", b"b"),))
    upstream = TimedUpstreams(FakeUpstreams([response], before_answer=lambda: clock.advance(10))).bind(TARGET)
    with Watch("id", clock) as watch:
        async with upstream.open(b"{}") as opened:
            assert (opened.status, opened.headers) == (200, ((b"a", b"b"),))
            got = []
            async for chunk in opened:
                clock.advance(0.5)  # the provider goes on meanwhile
                got.append(chunk)
            clock.advance(0.25)
        clock.advance(0.125)  # only what comes between rounds is the gateway's own time
    assert got == [b"a", b"b"]
    assert (watch.waited, watch.own) == (15.25, 0.125)


async def test_a_failed_opening_counts_too() -> None:
    clock = FakeClock()
    fake = FakeUpstreams([UpstreamError("refused")], before_answer=lambda: clock.advance(10))
    with Watch("id", clock) as watch, pytest.raises(UpstreamError):
        async with TimedUpstreams(fake).bind(TARGET).open(b"{}"):
            pass
    assert watch.waited == 10


async def test_leaving_early_or_being_cancelled_closes_the_round() -> None:
    fake = FakeUpstreams([FakeResponse(200, [b"a"]), FakeResponse(200, [b"a"])])
    upstream = TimedUpstreams(fake).bind(TARGET)
    with Watch("id"):
        async with upstream.open(b"{}"):
            pass
        with pytest.raises(asyncio.CancelledError):
            async with upstream.open(b"{}"):
                raise asyncio.CancelledError
    assert fake.closed == 2


async def test_running_tools_counts() -> None:
    clock = FakeClock()
    fake = FakeToolboxes(answer=lambda _: ToolResult((), error="no"), before_answer=lambda: clock.advance(4))
    toolbox = TimedToolboxes(fake).offer(Actor("ada"), "time_*")
    with Watch("id", clock) as watch:
        results = await toolbox.call([CALL])
    assert toolbox.tools == (TOOL,)
    assert fake.offered == [(Actor("ada"), "time_*")]
    assert results == [ToolResult((), error="no")]
    assert watch.waited == 4


async def test_without_a_watch_nothing_changes() -> None:
    upstreams, toolboxes = FakeUpstreams([FakeResponse(200, [b"a"])]), FakeToolboxes()
    async with TimedUpstreams(upstreams).bind(TARGET).open(b"{}") as response:
        assert [chunk async for chunk in response] == [b"a"]
    assert await TimedToolboxes(toolboxes).offer(Actor("ada"), "").call([CALL]) == [ToolResult(())]
