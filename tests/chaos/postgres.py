"""A PostgreSQL server of our own, which can be frozen: it then takes connections and answers nobody."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.chaos.world import free_port

_STARTING = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server, and the URL of a database in it."""

    url: str
    pid: int

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """None of its processes runs."""
        for process in self._processes():
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in self._processes():
                process.send_signal(signal.SIGCONT)

    def _processes(self) -> Sequence[psutil.Process]:
        """The postmaster first, which makes the others."""
        postmaster = psutil.Process(self.pid)
        return [postmaster, *postmaster.children(recursive=True)]


@asynccontextmanager
async def postgres(directory: Path) -> AsyncIterator[Postgres | None]:
    """A server up while the block runs; None where there is none on this machine, or nobody whom it would run for."""
    programs = _programs()
    if programs is None or not _may_run():
        yield None
        return
    directory.mkdir()  # noqa: ASYNC240  nothing waits for this one
    _give(directory)
    port = free_port()
    data = directory / "data"
    initdb = (str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "aibridge", "-E", "UTF8", "--locale=C")
    subprocess.run(_unprivileged(initdb), check=True, capture_output=True, cwd=directory)  # noqa: ASYNC221
    options = ("-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", str(directory))
    with (directory / "log").open("wb") as log:
        server = await asyncio.create_subprocess_exec(
            *_unprivileged((str(programs / "postgres"), *options)), cwd=directory, stdout=log, stderr=log
        )
    try:
        await _answers(programs, port)
        yield Postgres(f"postgresql://aibridge@127.0.0.1:{port}/postgres", server.pid)
    finally:
        server.send_signal(signal.SIGQUIT)  # at once
        await server.wait()


async def _answers(programs: Path, port: int) -> None:
    probe = (str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port))
    async with asyncio.timeout(_STARTING):
        while await (await asyncio.create_subprocess_exec(*probe)).wait():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def _programs() -> Path | None:
    """Where the server's programs are: Debian keeps them out of the path."""
    found = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name))
    server = shutil.which("postgres")
    return found or (Path(server).resolve().parent if server else None)


def _may_run() -> bool:
    """It refuses to run as root."""
    return os.geteuid() != 0 or (shutil.which("setpriv") is not None and _nobody() is not None)


def _unprivileged(command: Sequence[str]) -> Sequence[str]:
    nobody = _nobody()
    if os.geteuid() != 0 or nobody is None:
        return command
    return ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", *command)


def _give(directory: Path) -> None:
    """Makes it the server's, and lets it walk there."""
    nobody = _nobody()
    if os.geteuid() == 0 and nobody is not None:
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        directory.parent.chmod(0o711)


def _nobody() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return None
