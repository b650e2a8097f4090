"""The command: it tells each broken promise in a line, and its exit status says whether there was one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.chaos import __main__ as command
from tests.chaos.run import LONG, SHORT, UNASKED, Size
from tests.chaos.scenario import Outcome

Ran = list[tuple[list[str], Size]]


@pytest.fixture
def outcome() -> Outcome:
    return Outcome("kills", {"lost": 0}).end()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> Ran:
    """Stands in for the scenarios; what they were asked for."""
    asked: Ran = []

    async def canned(names: Any, size: Size, home: Path, _: str) -> list[Outcome]:
        (home / "kills").mkdir()
        (home / "kills" / "log").write_text("what the gateway said")
        asked.append((list(names), size))
        return [outcome]

    monkeypatch.setattr(command, "run", canned)
    return asked


@pytest.fixture
def started(tmp_path: Path) -> Callable[..., int]:
    return lambda *arguments: command.main([*arguments, "--output", str(tmp_path / "chaos.json")])


def test_all_promises_are_kept(
    started: Callable[..., int], ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert started("--seed", "7") == 0
    assert ran == [([*UNASKED], LONG)]
    written = msgspec.json.decode((tmp_path / "chaos.json").read_bytes())
    assert (written["seed"], written["scenarios"]["kills"]["figures"]) == ("7", {"lost": 0})
    shown = capsys.readouterr().out
    assert "seed 7" in shown
    assert "Every promise was kept." in shown
    assert not (tmp_path / "kills.log").exists()


def test_a_broken_promise_stands_in_a_line_and_its_log_is_kept(
    started: Callable[..., int], ran: Ran, outcome: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome.expect(False, "request 17 was accepted and has no interception")
    assert started("--short", "kills", "stop") == 1
    assert ran == [(["kills", "stop"], SHORT)]
    assert "broken  kills: request 17 was accepted and has no interception\n" in capsys.readouterr().out
    assert (tmp_path / "kills.log").read_text() == "what the gateway said"


def test_minutes(started: Callable[..., int], ran: Ran) -> None:
    started("soak", "--minutes", "2")
    assert (ran[0][1].soak, ran[0][1].network, ran[0][1].kills) == (120, 120, LONG.kills)


def test_an_unknown_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(["earthquake"])
    assert stopped.value.code == 2
    assert "there is no scenario 'earthquake'; there are kills, " in capsys.readouterr().err
