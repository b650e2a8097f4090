"""What every command has: help, a version, --config, and the status it exits with."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Never

import pytest

from aibridge import __version__
from aibridge.errors import Unavailable
from tests.cli.conftest import Run


def test_help_teaches_where_to_begin(run: Run) -> None:
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    assert "aibridge demo" in out
    assert "aibridge serve --config aibridge.yaml" in out
    assert "exit status: 0 done, 1 failed, 2 wrong usage" in out


@pytest.mark.parametrize("command", ["serve", "demo", "check", "keys", "erase"])
def test_every_command_has_help_with_examples_and_takes_a_config(run: Run, command: str) -> None:
    status, out, _ = run(command, "--help")
    assert status == 0
    assert "--config FILE" in out
    assert f"examples:\n  aibridge {command}" in out


def test_the_version_is_told(run: Run) -> None:
    assert run("--version") == (0, f"aibridge {__version__}\n", "")


def test_no_command_is_wrong_usage_and_shows_the_help(run: Run) -> None:
    status, out, err = run()
    assert (status, out) == (2, "")
    assert "commands:" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["brew"],
        ["serve", "--nonsense"],
        ["serve", "--port", "http"],
        ["serve", "--port", "65536"],
        ["serve", "--conf", "x"],
    ],
)
def test_wrong_usage_is_told(run: Run, arguments: list[str]) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert "usage: aibridge" in err


def test_every_fault_of_the_config_is_a_line(run: Run) -> None:
    Path("bad.yaml").write_text("{server: {prt: 1}, auth: {mode: x}}")
    assert run("serve", "--config", "bad.yaml") == (
        1,
        "",
        "bad.yaml: server.prt: unknown key; did you mean port?\n"
        "bad.yaml: auth.mode: must be 'none', 'keys' or 'header'; it is 'x'\n",
    )


def test_the_config_may_be_named_by_a_variable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIBRIDGE_CONFIG", "named.yaml")
    assert run("check") == (1, "", "named.yaml: there is no such file\n")
    assert run("check", "--config", "other.yaml") == (1, "", "other.yaml: there is no such file\n")


def test_an_error_of_ours_is_a_line(run: Run, app: Any) -> None:
    def serve(settings: object, source: object) -> Never:
        raise Unavailable("the database is away")

    app.serve = serve
    assert run("serve") == (1, "", "the database is away\n")


def test_an_interruption_is_no_traceback(run: Run, app: Any) -> None:
    def serve(settings: object, source: object) -> Never:
        raise KeyboardInterrupt

    app.serve = serve
    assert run("serve") == (1, "", "interrupted\n")


def test_help_is_quick_because_it_imports_little() -> None:
    heavy = "{'pydantic', 'yaml', 'rich', 'mcp', 'starlette', 'sqlalchemy', 'openai', 'asyncio'}"
    code = f"import sys; from aibridge.cli import main; main(['--help']); sys.exit(str({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == "set()\n"


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aibridge", "--version"], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"aibridge {__version__}\n")


def test_a_reader_that_leaves_is_no_traceback() -> None:
    Path("aibridge.yaml").write_text("providers: {openai: {}}")
    command = f"{sys.executable} -m aibridge check | head -c 0; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""


def test_what_the_log_cannot_hold_becomes_a_question_mark() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aibridge", "check", "--config", "größe.yaml"],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "gr??e.yaml: there is no such file\n")
