"""A process that has served many takes no more memory than one that serves few."""

from __future__ import annotations

import asyncio
import gc
import platform
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aibridge import app, memory
from aibridge.config import Settings, Source
from aibridge.telemetry.redaction import Redactor
from tests.waiting import eventually

BLOCK = 20_000  # bytes: like a hidden turn, and less than what the C library takes from the system by itself


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc",
    reason="only GNU's C library can be told to give memory back, so with this one nothing is done",
)
def test_what_is_free_between_what_is_in_use_goes_back_to_the_system() -> None:
    blocks = [bytes(BLOCK) for _ in range(4000)]
    in_use = blocks[::2]
    blocks.clear()
    before = resident()
    memory.give_back()
    assert before - resident() > BLOCK * len(in_use) / 2


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_trim", lambda: None)
    memory.give_back()


async def test_it_goes_back_again_and_again_while_there_is_something_to_serve() -> None:
    times: list[None] = []
    enough = asyncio.Event()

    def work() -> None:
        times.append(None)
        if len(times) == 3:
            enough.set()

    async with memory.spared(0.001, work), asyncio.timeout(5):
        await enough.wait()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_gateway_gives_back_what_it_frees_for_as_long_as_it_serves(tmp_path: Path) -> None:
    settings = Settings.model_validate({"server": {"port": 0}, "recorder": {"url": f"sqlite:///{tmp_path}/a.db"}})
    serving = asyncio.create_task(app._serve(settings, Source(), Redactor()))
    await eventually(lambda: "aibridge-memory" in {task.get_name() for task in asyncio.all_tasks()})
    assert gc.get_freeze_count() > 10_000
    serving.cancel()
    await asyncio.wait([serving])
    assert "aibridge-memory" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_the_collector_lets_be_what_is_open() -> None:
    async with memory.spared():
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold()[0] > 700
