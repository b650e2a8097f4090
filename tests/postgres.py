"""A real PostgreSQL for tests: started once, as a user that is not root, with a fresh database for each test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from pwd import getpwnam
from typing import Any

import psutil
import psycopg

from tests.waiting import until

_HURRY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "autovacuum=off")
"""What lasts longer than a test run is of no interest."""


def binaries() -> Path | None:
    """Where the server's programs are; None where they are not."""
    if (found := shutil.which("postgres")) is not None:
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max((path.parent for path in versions), key=lambda path: int(path.parent.name), default=None)


class Server:
    """One that listens on loopback and can be stopped and started again."""

    def __init__(self, directory: Path, programs: Path) -> None:
        self._directory = directory
        self._programs = programs
        self._data = directory / "data"
        self._port = _free_port()
        self._numbers = count()
        self._child: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", self._data, "-U", "aibridge", "-A", "trust", "-N", "--no-locale", "-E", "UTF8")

    @property
    def pid(self) -> int:
        """Of the process that makes all others."""
        assert self._child is not None
        return self._child.pid

    def url(self, name: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql://aibridge@127.0.0.1:{self._port}/{name}"

    def start(self) -> None:
        """Returns once it takes connections. It ends with the thread that called this, so let that be the main one."""
        settings = [word for setting in _HURRY for word in ("-c", setting)]
        listen = ("-h", "127.0.0.1", "-p", str(self._port), "-k", str(self._directory))
        command = [self._programs / "postgres", "-D", self._data, *listen, *settings]
        with (self._directory / "log").open("ab") as log:
            self._child = subprocess.Popen([*_as_nobody(), *map(str, command)], stdout=log, stderr=log)
        until(self._takes_connections, 30)

    def stop(self) -> None:
        """Ends it at once, and every connection with it."""
        assert self._child is not None
        self._child.send_signal(signal.SIGINT)
        self._child.wait(30)

    def kill(self) -> None:
        """Ends all of its processes as a lack of memory would."""
        assert self._child is not None
        for process in self._processes():
            process.kill()
        self._child.wait(30)

    @contextmanager
    def frozen(self) -> Generator[None]:
        """It takes connections, and answers nobody, while the block runs."""
        for process in self._processes():
            process.suspend()
        try:
            yield
        finally:
            for process in self._processes():
                process.resume()

    def create(self, template: str = "template1") -> str:
        """A new database, like the template; its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Whoever is connected to it."""
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, sql: str) -> None:
        with closing(psycopg.connect(self.url(), autocommit=True)) as connection:
            connection.execute(sql.encode())

    def _processes(self) -> list[psutil.Process]:
        """The one that makes the others first."""
        assert self._child is not None
        first = psutil.Process(self._child.pid)
        return [first, *first.children(recursive=True)]

    def _takes_connections(self) -> bool:
        assert self._child is not None
        assert self._child.poll() is None, (self._directory / "log").read_text()
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: Any) -> None:
        command = [*_as_nobody(), str(self._programs / program), *map(str, arguments)]
        subprocess.run(command, cwd=self._directory, stdout=subprocess.DEVNULL, check=True, timeout=120)


@contextmanager
def running() -> Generator[Server]:
    """A server while the block runs."""
    programs = binaries()
    assert programs is not None
    with tempfile.TemporaryDirectory(prefix="aibridge-postgresql-", ignore_cleanup_errors=True) as name:
        if os.geteuid() == 0:
            os.chown(name, _NOBODY.pw_uid, _NOBODY.pw_gid)
        server = Server(Path(name), programs)
        server.start()
        try:
            yield server
        finally:
            server.stop()


_NOBODY = getpwnam("nobody")


def _as_nobody() -> list[str]:
    """The server refuses to run as root. It ends when its starter does, however that ends."""
    command = ["setpriv", "--pdeathsig=INT"]
    if os.geteuid() == 0:
        command += [f"--reuid={_NOBODY.pw_uid}", f"--regid={_NOBODY.pw_gid}", "--clear-groups"]
    return command


def _free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
