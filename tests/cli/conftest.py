import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

import aibridge
from aibridge.cli import main


class Result(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but a test's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("AIBRIDGE_CONFIG", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process."""

    def call(*arguments: str) -> Result:
        status = main(arguments)
        return Result(status, *capsys.readouterr())

    return call


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands in for the composition root."""
    fake = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "aibridge.app", fake)
    monkeypatch.setattr(aibridge, "app", fake, raising=False)
    return fake
