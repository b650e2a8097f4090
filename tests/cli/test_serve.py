"""aibridge serve."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Never

import pytest

from aibridge.config import Settings, Source
from tests.cli.conftest import Run


@pytest.fixture
def served(app: Any) -> list[Settings]:
    """The settings that a gateway was asked to run with."""
    asked: list[Settings] = []

    def serve(settings: Settings, source: Source) -> int:
        asked.append(settings)
        return 0

    app.serve = serve
    return asked


def failing(error: BaseException) -> Callable[[Settings, Source], Never]:
    def serve(settings: Settings, source: Source) -> Never:
        raise error

    return serve


def test_it_serves_with_the_defaults(run: Run, served: list[Settings]) -> None:
    assert run("serve") == (0, "", "")
    assert served == [Settings()]


def test_it_serves_with_the_file_the_environment_and_the_options(
    run: Run, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("my.yaml").write_text("{server: {host: localhost, port: 1}, tools: {prefix: mine}}")
    monkeypatch.setenv("AIBRIDGE_TOOLS__PARALLEL", "3")
    assert run("serve", "--config", "my.yaml", "--host", "::1", "--port", "0").status == 0
    (settings,) = served
    assert (settings.server.host, settings.server.port) == ("::1", 0)
    assert (settings.tools.prefix, settings.tools.parallel) == ("mine", 3)


def test_more_than_one_worker_is_a_parent_s_affair(run: Run, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, Source]] = []

    def serve(settings: Settings, source: Source) -> int:
        asked.append((settings.server.workers, source))
        return 0

    monkeypatch.setattr("aibridge.workers.parent.serve", serve)
    assert run("serve", "--workers", "3").status == 0
    monkeypatch.setenv("AIBRIDGE_SERVER__WORKERS", "2")
    assert run("serve").status == 0
    assert asked == [(3, Source(workers=3)), (2, Source())]


@pytest.mark.parametrize("number", ["0", "-1", "257", "many"])
def test_an_odd_number_of_workers_is_wrong_usage(run: Run, number: str) -> None:
    status, _, err = run("serve", "--workers", number)
    assert status == 2
    assert "is no number of workers; 1 to 256 are" in err or "expected one argument" in err


def test_its_status_is_the_gateway_s(run: Run, app: Any) -> None:
    app.serve = lambda settings, source: 1
    assert run("serve").status == 1


def test_beyond_loopback_it_refuses_without_keys(run: Run, served: list[Settings]) -> None:
    status, _, err = run("serve", "--host", "0.0.0.0")
    assert status == 1
    assert err == (
        "server.host: 0.0.0.0 can be reached from other machines, and auth.mode none asks nobody for a key;"
        " listen on 127.0.0.1, or set auth.mode to keys\n"
    )
    assert not served


def test_with_keys_it_listens_wherever_it_is_told(run: Run, served: list[Settings]) -> None:
    Path("aibridge.yaml").write_text("auth: {mode: keys}")
    assert run("serve", "--host", "0.0.0.0").status == 0
    assert [settings.server.host for settings in served] == ["0.0.0.0"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(errno.EADDRINUSE, ""),
            "server.port: 127.0.0.1 port 8080 is in use: stop what listens there, or choose another with --port",
        ),
        (
            PermissionError(errno.EACCES, ""),
            "server.port: 127.0.0.1 port 8080 is not for this user: choose one above 1023 with --port",
        ),
        (
            OSError(errno.EADDRNOTAVAIL, ""),
            "server.host: 127.0.0.1 is no address of this machine: choose another with --host",
        ),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "server.host: 127.0.0.1 is no address of this machine (Name or service not known)",
        ),
    ],
)
def test_where_it_cannot_listen_it_says_why(run: Run, app: Any, error: OSError, line: str) -> None:
    app.serve = failing(error)
    assert run("serve") == (1, "", f"{line}\n")


def test_any_other_error_is_not_mistaken_for_that(run: Run, app: Any) -> None:
    app.serve = failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(OSError, match="No space left"):
        run("serve")


def test_the_real_gateway_says_that_its_port_is_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "aibridge", "serve", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    told = f"server.port: 127.0.0.1 port {port} is in use: stop what listens there, or choose another with --port"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, told)
