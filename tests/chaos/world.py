"""The processes of a run: the gateway as users start it, and its surroundings. None outlives the run."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil

from tests.served import COMMAND, environment

ROOT = Path(__file__).parents[2]

STARTING = 60.0  # seconds
_LOOK = 0.02  # seconds between two looks at another process, which tells nobody


@dataclass(frozen=True, slots=True)
class World:
    """What stands around every gateway of a run."""

    home: Path
    seed: str
    openai: int  # ports
    anthropic: int
    pages: int

    def gateway(
        self, name: str, *, openai: int | None = None, anthropic: int | None = None, **settings: Mapping[str, Any]
    ) -> Gateway:
        """A gateway that is not started yet, with a directory and a port of its own. The ports: of other providers."""
        home = self.home / name
        home.mkdir()
        base = f"http://127.0.0.1:{openai or self.openai}/v1", f"http://127.0.0.1:{anthropic or self.anthropic}"
        provider = {"api_keys": ["sk-not-a-key"], **settings.pop("provider", {})}
        stdio = {"command": sys.executable, "args": ["-m", "tests.chaos.mcp_server", "stdio"]}
        full: dict[str, Any] = {
            "providers": {
                kind: {"base_url": url, **provider} for kind, url in zip(("openai", "anthropic"), base, strict=True)
            },
            "mcp_servers": {
                "pages": {"url": f"http://127.0.0.1:{self.pages}/mcp"},
                "shelf": {**stdio, "env": {"PYTHONPATH": str(ROOT)}, "timeout": 3600},
            },
            "telemetry": {"log_level": "warning"},
        }
        full |= {key: {**full.get(key, {}), **value} for key, value in settings.items()}
        return Gateway(home, full)


class Gateway:
    """`aibridge serve` on one port and one database, started as often as one likes."""

    def __init__(self, home: Path, settings: dict[str, Any]) -> None:
        self.home = home
        self.port = free_port()
        recorder = {"url": f"sqlite:///{home / 'aibridge.db'}", **settings.pop("recorder", {})}
        self.database: str = recorder["url"]
        self._config = home / "aibridge.yaml"
        server = {"port": self.port, **settings.pop("server", {})}
        self._config.write_bytes(msgspec.json.encode({**settings, "server": server, "recorder": recorder}))
        self._process: asyncio.subprocess.Process | None = None
        self._relatives: dict[int, psutil.Process] = {}  # of every gateway there has been

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What all of them said."""
        return self.home / "log"

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None, "the gateway is not running"
        return psutil.Process(self._process.pid)

    async def spawn(self) -> None:
        """Starts one, and does not wait for it."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                COMMAND, "serve", "--config", self._config,
                env=environment(), cwd=self.home, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    async def listening(self) -> None:
        """Returns once it takes connections. Raises RuntimeError where it ended instead."""
        async with asyncio.timeout(STARTING):
            while not await _listens(self.port):
                self._check_alive()
                await asyncio.sleep(_LOOK)

    async def ready(self) -> None:
        """Returns once it is ready, with its MCP servers."""
        await self.listening()
        async with asyncio.timeout(STARTING):
            while (await get(self.port, "/readyz"))[0] != 200:
                self._check_alive()
                await asyncio.sleep(_LOOK)

    async def start(self) -> None:
        await self.spawn()
        await self.ready()

    async def kill(self) -> float:
        """SIGKILL; when that was, by the monotonic clock."""
        self.signal(signal.SIGKILL)
        moment = time.monotonic()
        await self.status()
        return moment

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return await self.status()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, with its children noted beforehand: later they are nobody's."""
        self._meet()
        self.process.send_signal(number)

    async def status(self, seconds: float = 60) -> int:
        """Its exit status, once it has ended. Raises TimeoutError where it does not."""
        assert self._process is not None
        async with asyncio.timeout(seconds):
            return await self._process.wait()

    async def orphans(self, seconds: float = 10) -> list[str]:
        """The commands of children that still live some seconds after their gateway's end."""
        alive = list(self._relatives.values())
        try:
            async with asyncio.timeout(seconds):
                while alive := [child for child in alive if _lives(child)]:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            pass
        return [" ".join(child.cmdline()) for child in alive if _lives(child)]

    async def close(self) -> None:
        """Kills whatever is left."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()
        for child in self._relatives.values():
            if _lives(child):
                child.kill()

    def _meet(self) -> None:
        for child in self.process.children(recursive=True):
            self._relatives[child.pid] = child

    def _check_alive(self) -> None:
        if self._process is None or self._process.returncode is not None:
            raise RuntimeError(f"the gateway does not run: {self.log.read_text(errors='replace')[-2000:]}")


@asynccontextmanager
async def world(home: Path, seed: str) -> AsyncIterator[World]:
    """The providers and the MCP server, up while the block runs."""
    async with _module("tests.chaos.provider") as providers, _module("tests.chaos.mcp_server") as pages:
        yield World(home, seed, *providers, *pages)


@asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[Gateway]:
    """The gateway, ready; at the end it is gone, if it is not already."""
    try:
        await gateway.start()
        yield gateway
    finally:
        await gateway.close()


async def get(port: int, path: str) -> tuple[int, str]:
    """A page's status and text; 0 where none comes."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0, ""
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]) if head else 0, body.decode()
    except OSError:
        return 0, ""
    finally:
        writer.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def _module(name: str) -> AsyncIterator[list[int]]:
    """A module in a process of its own, and the ports that it says it listens on."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", name)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=dict(os.environ), stdin=pipe, stdout=pipe)
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} did not start")
        yield [int(port) for port in line.split()]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
