from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import pytest

from aibridge.tools import stdio as stdio_module
from aibridge.tools.session import ServerSession
from tests.tools.support import StoppedClock, session, stdio, steady
from tests.waiting import eventually


def children() -> set[int]:
    """Processes that this one started and has not yet reaped, zombies included."""
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


async def test_a_call_goes_out_and_its_result_comes_back() -> None:
    async with session(stdio()) as server:
        assert server.state == "connected"
        assert (await server.call("echo", {"text": "grüß dich"})).text == "grüß dich"


async def test_the_process_is_gone_after_the_close() -> None:
    before = children()
    async with session(stdio()):
        assert len(children() - before) == 1
    assert children() <= before


@pytest.mark.parametrize("habit", ["ignores-sigterm", "ignores-eof"])
async def test_a_server_that_will_not_go_is_killed_within_a_bound(habit: str) -> None:
    before, tasks = children(), asyncio.all_tasks()
    async with session(stdio(habit)) as server:
        assert server.state == "connected"
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert children() <= before
    assert asyncio.all_tasks() <= tasks


async def test_a_process_beyond_killing_is_reported(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """Stands for one that hangs in the kernel: the signals don't arrive."""
    monkeypatch.setattr(stdio_module, "EOF_SECONDS", 0.01)
    monkeypatch.setattr(stdio_module, "TERM_SECONDS", 0.01)
    monkeypatch.setattr(stdio_module, "KILL_SECONDS", 0.01)
    monkeypatch.setattr(os, "killpg", lambda pid, number: None)
    stopped: list[Process] = []
    stop = stdio_module._stop

    async def remember(process: Process) -> None:
        stopped.append(process)
        await stop(process)

    monkeypatch.setattr(stdio_module, "_stop", remember)
    async with session(stdio("ignores-sigterm")):
        pass
    assert f"process {stopped[0].pid} is still there after SIGKILL" in caplog.text
    await eventually(lambda: stopped[0].returncode is not None)  # asyncio killed it with the transport


async def test_a_server_that_dies_in_mid_call_fails_the_call_and_is_back_for_the_next(caplog: Any) -> None:
    clock = StoppedClock()
    with caplog.at_level(logging.DEBUG):
        async with session(stdio(), timing=steady(clock)) as server:
            result = await server.call("die", {})
            assert result.error == "own_die failed: the server ended with status 3: I am [31m dying"
            await clock.next_pause()
            assert server.reason == "the server ended with status 3: I am [31m dying"
            assert server.tools, "they stay on offer while it comes back"
            assert (await server.call("echo", {"text": "back"})).text == "back"
    assert all("\x1b" not in record.getMessage() for record in caplog.records)


async def test_a_server_killed_while_idle_is_noticed_at_once() -> None:
    clock = StoppedClock()
    before = children()
    async with session(stdio(), timing=steady(clock)) as server:
        (pid,) = children() - before
        os.kill(pid, signal.SIGKILL)
        pause, go_on = await clock.next_pause()
        assert (server.state, pause) == ("connecting", 0.5)
        assert server.reason == "the server ended with status -9"
        go_on()
        await server.settled()
        assert server.state == "connected"


async def test_a_server_that_closes_its_output_but_lives_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio_module, "KILL_SECONDS", 0.1)
    clock = StoppedClock()
    async with session(stdio(), timing=steady(clock)) as server:
        await server.call("close-output", {})
        await clock.next_pause()
        assert server.reason == "the server closed its output"


async def test_a_command_that_does_not_exist_is_named() -> None:
    async with session(stdio_of("no-such-command"), timing=steady(StoppedClock())) as server:
        assert (server.state, server.reason) == ("failed", "the command 'no-such-command' was not found")


async def test_a_command_that_ends_at_once_is_told_with_its_last_words() -> None:
    settings = stdio_of("sh", "-c", "echo no module named nope >&2; exit 7")
    async with session(settings, timing=steady(StoppedClock())) as server:
        assert (server.state, server.reason) == ("failed", "the server ended with status 7: no module named nope")


async def test_secrets_in_its_last_words_are_not_told() -> None:
    settings = stdio_of("sh", "-c", "echo bad key $KEY >&2; exit 7", env={"KEY": "canary-123"})
    async with session(settings, timing=steady(StoppedClock())) as server:
        assert server.reason == "the server ended with status 7: bad key ***"


async def test_lines_that_are_no_messages_are_passed_over() -> None:
    async with session(stdio("banner")) as server:
        assert (await server.call("echo", {"text": "still here"})).text == "still here"


async def test_a_flood_without_line_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio_module, "MAX_LINE_BYTES", 100_000)
    clock = StoppedClock()
    async with session(stdio(), timing=steady(clock)) as server:
        flooded = await server.call("flood", {})
        assert flooded.error == "own_flood failed: the server wrote a line of more than 100000 bytes"
        assert (await server.call("echo", {"text": "fine"})).text == "fine"


async def test_the_server_gets_its_environment_and_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-the-gateway")
    async with session(stdio(env={"MINE": "yes"})) as server:
        environment = json.loads((await server.call("environment", {})).text)
    assert environment["MINE"] == "yes"
    assert "OPENAI_API_KEY" not in environment
    assert environment["PATH"]


async def test_what_it_says_goes_to_the_log_in_single_lines(caplog: Any) -> None:
    with caplog.at_level(logging.DEBUG, logger="aibridge.tools"):
        async with session(stdio("log")):
            pass
    assert "MCP server own says: a log [31mentry" in caplog.text
    assert "MCP server own instructs: line one line two" in caplog.text


async def test_a_cancelled_call_is_cancelled_at_the_server(caplog: Any) -> None:
    with caplog.at_level(logging.DEBUG, logger="aibridge.tools"):
        async with session(stdio()) as server:
            call = asyncio.create_task(server.call("hang", {}))
            await eventually(lambda: server_requests(server))
            await server.call("echo", {})  # answered after the other was read
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await eventually(lambda: "told to cancel" in caplog.text)


def server_requests(server: ServerSession) -> object:
    return server._requests


def stdio_of(command: str, *args: str, env: dict[str, str] | None = None) -> Any:
    settings = stdio()
    return type(settings)("own", "stdio", command=command, args=args, env=env or {})
