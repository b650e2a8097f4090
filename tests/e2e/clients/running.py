"""Runs a client as its page says: with a home of its own, a way out that leads nowhere, and a time limit."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.e2e.clients.pages import ADDRESS, Page

HERE = Path(__file__).parent
BUILD = HERE.parents[2] / "build"
MODULES = (HERE / "node_modules", HERE / "more/node_modules")
VENVS = (BUILD / "clients/clients", BUILD / "clients/more")
SECONDS = 90  # for one command

# Where the program is in a platform's own package: installed without scripts, the general package's name leads nowhere.
_BINARIES = {
    "claude": "@anthropic-ai/claude-code-*/claude",
    "kilo": "@kilocode/cli-*/bin/kilo",
    "opencode": "opencode-*/bin/opencode",
}

_QUIET = {
    "AIDER_ANALYTICS": "false",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CONTINUE_TELEMETRY_ENABLED": "0",
    "DISABLE_AUTOUPDATER": "1",
    "DO_NOT_TRACK": "1",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
}
_NOWHERE = "http://127.0.0.1:9"  # where nobody listens: what is not meant for loopback goes there


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a command."""

    status: int | None  # None: it had to be killed
    output: str


def programs(directory: Path) -> None:
    """Fills a directory with what the pages' commands name, as far as it is installed."""
    for name, program in (*_scripts(), *_platform_binaries()):
        starter = directory / name  # no link: through one a Python of an environment would not find its packages
        starter.write_text(f'#!/bin/sh\nexec {shlex.quote(str(program))} "$@"\n')
        starter.chmod(0o755)


def _scripts() -> Iterator[tuple[str, Path]]:
    for modules in MODULES:
        for program in (modules / ".bin").glob("*"):
            yield program.name, program
    if node := shutil.which("node"):
        yield "node", Path(node)
    for venv, names in zip(VENVS, (("python", "llm"), ("aider",)), strict=True):
        for name in names:
            if (venv / "bin" / name).exists():
                yield name, venv / "bin" / name


def _platform_binaries() -> Iterator[tuple[str, Path]]:
    for name, pattern in _BINARIES.items():
        for modules in MODULES:
            yield from ((name, program) for program in sorted(modules.glob(pattern))[:1])


def skip_unless_installed(page: Page, path: Path) -> None:
    """A client may be left out of an installation, or may not exist for this kind of machine."""
    here = all((path / program).exists() for program in page.programs)
    if not here:
        target = "make e2e CLIENTS=all" if page.needs_all else "make e2e"
        pytest.skip(f"{page.title} is not installed: `{target}` does it, where it exists for this machine")


def prepare(page: Page, home: Path, gateway: str) -> Path:
    """Writes the page's files with this gateway's address; the working directory."""
    work = home / "work"
    work.mkdir()
    (work / "node_modules").symlink_to(MODULES[0])
    for name, text in page.files.items():
        path = home / name.removeprefix("~/") if name.startswith("~/") else work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(ADDRESS, gateway))
    return work


def run(command: str, home: Path, work: Path, path: Path, gateway: str) -> Run:
    """Runs it with all that it starts; whatever is left of that afterwards is killed."""
    environment = {
        **_QUIET,
        "HOME": str(home),
        "PATH": f"{path}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "NO_PROXY": "127.0.0.1,localhost",
        "HTTPS_PROXY": _NOWHERE,
        "HTTP_PROXY": _NOWHERE,
    }
    child = subprocess.Popen(
        ["bash", "-euc", command.replace(ADDRESS, gateway)],
        env=environment,
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = child.communicate(timeout=SECONDS)
        return Run(child.returncode, output)
    except subprocess.TimeoutExpired:
        _kill(child.pid)
        output, _ = child.communicate(timeout=10)
        return Run(None, output)
    finally:
        _kill(child.pid)
        _kill_daemons(home)


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _kill_daemons(home: Path) -> None:
    """Ends what has left the command's group, such as Cline's hub: it is known by the home that it was given."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # gone by now, or another user's
            if process.environ().get("HOME") == str(home):
                process.kill()
