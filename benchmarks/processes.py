"""The processes of a run. Each is started in a `with` and ended by its end, whatever happens inside."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

STARTING_SECONDS = 30.0
STOPPING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process that listens on loopback."""

    name: str
    pid: int
    port: int


@contextmanager
def child(module: str, *arguments: int) -> Generator[Process]:
    """A module of this package in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                raise RuntimeError(f"benchmarks.{module} did not start")
            yield Process(module, process.pid, int(line))
        finally:
            process.kill()  # it has nothing to bring to an end


@contextmanager
def gateway(
    directory: Path,
    upstream: Process,
    mcp_server: Process | None = None,
    *,
    name: str = "gateway",
    recording: bool = True,
) -> Generator[Process]:
    """The gateway itself, as a user starts it, with its records and its log below `directory`."""
    home = directory / name
    home.mkdir(parents=True)
    port = _free_port()
    config = home / "aibridge.yaml"
    config.write_bytes(msgspec.json.encode(_settings(home, port, upstream, mcp_server)))  # JSON is YAML too
    module = "aibridge" if recording else "benchmarks.unrecorded"
    command = [sys.executable, "-m", module, "serve", "--config", str(config)]
    log = home / "log"
    with log.open("wb") as errors, subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors) as process:
        try:
            _await_ready(process, port, log)
            yield Process(name, process.pid, port)
        finally:
            _end(process)


def _settings(home: Path, port: int, upstream: Process, mcp_server: Process | None) -> dict[str, object]:
    base_url, keys = f"http://127.0.0.1:{upstream.port}", ["sk-not-a-key"]
    servers = {} if mcp_server is None else {"bench": {"url": f"http://127.0.0.1:{mcp_server.port}/mcp"}}
    return {
        "server": {"host": "127.0.0.1", "port": port},
        "providers": {
            "openai": {"base_url": f"{base_url}/v1", "api_keys": keys},
            "anthropic": {"base_url": base_url, "api_keys": keys},
        },
        "mcp_servers": servers,
        "recorder": {"url": f"sqlite:///{home / 'records.db'}"},
        "telemetry": {"log_level": "warning"},
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + STARTING_SECONDS
    while not _is_ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the gateway did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.HTTPError, OSError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOPPING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
