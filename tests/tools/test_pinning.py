from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aibridge.tools import pinning as module
from aibridge.tools.listing import ListedTool
from aibridge.tools.pinning import MemoryPins, Mode, Pinning, definition_of, fingerprint
from tests.tools.support import StoppedClock
from tests.waiting import eventually


def tool(
    description: str = "one", *, name: str = "t", schema: bytes = b"{}", annotations: bytes = b"null"
) -> ListedTool:
    return ListedTool(name, description, schema, annotations)


class FakePins:
    """A database that can be down, and in which somebody approves."""

    def __init__(self) -> None:
        self.good: dict[str, str] = {}
        self.down = False
        self.asked = 0

    async def sync(self, server: str, offered: Mapping[str, bytes]) -> Mapping[str, str]:
        self.asked += 1
        if self.down:
            raise OSError("canary")
        return {name: self.good.setdefault(name, fingerprint(one)) for name, one in offered.items()}


class Watched:
    def __init__(self, mode: Mode, pins: Any = None) -> None:
        self.pins = pins or FakePins()
        self.clock = StoppedClock()
        self.changes = 0
        self.pinning = Pinning(self.pins, mode, on_change=self._changed, sleep=self.clock.sleep)

    def _changed(self) -> None:
        self.changes += 1

    async def see(self, *tools: ListedTool) -> None:
        self.pinning.see("s", tools)
        async with asyncio.timeout(5):
            await self.pinning.settled()

    def permits(self) -> bool:
        return self.pinning.permits("s", "t")


@asynccontextmanager
async def watched(mode: Mode, pins: Any = None) -> AsyncIterator[Watched]:
    before = asyncio.all_tasks()
    one = Watched(mode, pins)
    one.pinning.start()
    try:
        yield one
    finally:
        await one.pinning.aclose()
    assert asyncio.all_tasks() <= before


def test_only_what_is_said_of_a_tool_counts_and_not_its_order() -> None:
    one = tool(schema=b'{"type":"object","properties":{"a":{},"b":{}}}')
    same = tool(schema=b'{"properties":{"b":{},"a":{}},"type":"object"}')
    assert definition_of(one) == definition_of(same)
    others = [tool("two"), tool(name="u"), tool(schema=b'{"a":1}'), tool(annotations=b'{"readOnlyHint":true}')]
    assert len({fingerprint(definition_of(other)) for other in (tool(), *others)}) == 5


async def test_what_is_seen_first_is_offered() -> None:
    async with watched("enforce") as one:
        assert not one.permits()
        await one.see(tool())
        assert one.permits()
        assert one.changes == 1


async def test_a_changed_tool_is_withheld_until_it_is_approved(caplog: pytest.LogCaptureFixture) -> None:
    async with watched("enforce") as one:
        await one.see(tool())
        await one.see(tool("two"), tool(name="new"))
        assert not one.permits()
        assert one.pinning.permits("s", "new")
        _, go_on = await one.clock.next_pause()
        go_on()
        _, go_on = await one.clock.next_pause()
        assert not one.pinning.permits("s", "t")
        one.pins.good["t"] = fingerprint(definition_of(tool("two")))
        go_on()
        await eventually(one.permits)
        asked = one.pins.asked
        await one.see()
        assert one.pins.asked == asked + 1, "with nothing withheld nobody asks again"
    [told] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told.startswith("MCP server s has changed its tool t, which is withheld until it is approved")


async def test_a_change_that_is_taken_back_needs_no_approval() -> None:
    async with watched("enforce") as one:
        await one.see(tool())
        await one.see(tool("two"))
        await one.see(tool())
        assert one.permits()


async def test_with_a_warning_it_is_offered_still_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async with watched("warn") as one:
        for said in ("one", "two", "one", "two", "one"):
            await one.see(tool(said))
            assert one.permits()
        assert one.changes == 0
    [told] = [record.getMessage() for record in caplog.records]
    assert told == (
        "MCP server s has changed its tool t, which is offered still: see `aibridge tools list`, "
        "then `aibridge tools approve`"
    )


async def test_switched_off_it_asks_nobody() -> None:
    async with watched("off") as one:
        await one.see(tool())
        await one.see(tool("two"))
        assert one.permits()
        assert one.pins.asked == 0


@pytest.mark.parametrize(("mode", "new"), [("enforce", False), ("warn", True)])
async def test_without_its_database_it_goes_by_its_memory(
    mode: Mode, new: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(mode) as one:
        await one.see(tool())
        one.pins.down = True
        await one.see(tool(), tool(name="new"))
        assert one.permits()
        assert one.pinning.permits("s", "new") is new
        one.pins.down = False
        (await one.clock.next_pause())[1]()
        await eventually(lambda: one.pinning.permits("s", "new"))
        await one.see(tool("two"))
        assert one.permits() is new
    assert "canary" not in caplog.text
    assert caplog.text.count("can't be compared") == 1


async def test_a_database_that_hangs_is_given_up_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(FakePins):
        async def sync(self, server: str, offered: Mapping[str, bytes]) -> Mapping[str, str]:
            await asyncio.Event().wait()
            return {}

    monkeypatch.setattr(module, "SYNC_SECONDS", 0.01)
    async with watched("enforce", Hanging()) as one:
        await one.see(tool())
        assert not one.permits()


async def test_a_server_that_changes_all_the_time_does_not_fill_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MAX_TOLD", 3)
    async with watched("warn") as one:
        for number in range(10):
            await one.see(tool(str(number)))
    assert len(caplog.records) == 3


async def test_without_a_database_the_process_remembers() -> None:
    async with watched("enforce", MemoryPins()) as one:
        await one.see(tool())
        assert one.permits()
        await one.see(tool("two"))
        assert not one.permits()
