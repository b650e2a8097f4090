"""The demo, played for real; and that it notices what is off."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from aibridge.cli.demo import scene
from aibridge.cli.demo.records import Records, Row
from aibridge.cli.demo.scene import Off, check_answer, check_records, play
from aibridge.cli.demo.script import QUESTION, Script
from aibridge.cli.demo.show import Show
from aibridge.testing import Answer, Request, answer, call
from tests.cli.conftest import Run

RECORDS = Records(
    interceptions=[{"status": "completed", "rounds": 2}],
    prompts=[{"prompt": QUESTION}],
    tools=[{"tool": "now", "injected": 1, "invocation_error": None}],
    tokens=[{}, {}],
)


@pytest.fixture
def show() -> Show:
    return Show(Console(file=StringIO(), width=200))


def test_it_shows_the_main_job(run: Run) -> None:
    status, out, err = run("demo")
    assert (status, err) == (0, "")
    assert "model I will look at the clock." in out
    assert 'round 1: bmcp_clock_now({"tz":"UTC"}) → ' in out
    assert "UTC, says the clock." in out
    assert "aibridge_tool_usages" in out
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:8080/anthropic claude" in out
    assert "\x1b" not in out


async def test_it_does_not_go_on_for_ever(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "MCP_SERVER", ["-c", "import sys; sys.stdin.buffer.read()"])
    with pytest.raises(Off, match="it was not over after 2 s"):
        await play(show, 2)


async def test_a_server_that_does_not_come_up_is_off(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "MCP_SERVER", ["-c", "import sys; sys.exit(3)"])
    with pytest.raises(Off, match="the MCP server is failed: "):
        await play(show, 30)


async def test_a_provider_that_fails_is_off(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "PROVIDER", "elsewhere")
    with pytest.raises(Off, match="the client got no whole answer: "):
        await play(show, 30)


async def test_a_tool_call_that_the_client_sees_is_off(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    def model(request: Request) -> Answer:
        return answer(call("not_of_ours"))

    monkeypatch.setattr(scene, "Script", lambda *_, **__: model)
    with pytest.raises(Off, match="the client saw a tool call that was not its own"):
        await play(show, 30)


def test_a_failure_is_a_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "MCP_SERVER", ["-c", "import sys; sys.exit(3)"])
    status, _, err = run("demo")
    assert status == 1
    assert err.startswith("the demo failed: the MCP server is failed: ")
    assert err.count("\n") == 1


def test_a_tool_that_was_not_offered_is_off() -> None:
    script = Script(lambda hidden: None)
    with pytest.raises(Off, match="was not offered bmcp_clock_now; it was offered no tool"):
        check_answer("I have no clock.", script)
    script.offered = ["a", "b"]
    with pytest.raises(Off, match="it was offered a, b"):
        check_answer("I have no clock.", script)


def test_an_answer_without_the_tool_s_words_is_off() -> None:
    script = Script(lambda hidden: None)
    script.result = "12:30"
    check_answer("It is 12:30.", script)
    with pytest.raises(Off, match=r"the tool said '12:30', and the answer is 'It is noon\.'"):
        check_answer("It is noon.", script)


def test_good_records_are_not_off() -> None:
    check_records(RECORDS)


@pytest.mark.parametrize(
    ("table", "rows", "reason"),
    [
        ("interceptions", [], "one completed interception"),
        ("interceptions", [{"status": "failed", "rounds": 2}], r"are \[\('failed', 2\)\]"),
        ("interceptions", [{"status": "completed", "rounds": 1}], r"are \[\('completed', 1\)\]"),
        ("prompts", [], "the prompt 'What time is it"),
        ("tools", [], "one call of the tool 'now'"),
        ("tools", [{"tool": "now", "injected": 1, "invocation_error": "x"}], r"\('now', 1, 'x'\)"),
        ("tokens", [{}], "there are those of 1"),
    ],
)
def test_a_record_that_is_missing_or_wrong_is_off(table: str, rows: list[Row], reason: str) -> None:
    with pytest.raises(Off, match=reason):
        check_records(replace(RECORDS, **{table: rows}))
