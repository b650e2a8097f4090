"""The real parts: MCP servers and a provider that we did not write, and the gateway between them as users run it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.e2e.aimock import Aimock
from tests.processes import Process
from tests.served import Gateway, serving

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
AIMOCK = MODULES / "@copilotkit/aimock/dist/cli.js"
EVERYTHING = MODULES / "@modelcontextprotocol/server-everything/dist/index.js"

CANARY = "sk-canary-e2e-0123456789abcdef"


@pytest.fixture(scope="session")
def node() -> str:
    """The program that runs the servers."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not here for the servers of tests/e2e: apt-get install nodejs npm, then `make e2e`")
    if not AIMOCK.exists() or not EVERYTHING.exists():
        pytest.skip("the servers of tests/e2e are not installed: `make e2e` does it")
    return found


@pytest.fixture(scope="session")
def everything_url(node: str) -> Iterator[str]:
    """MCP's reference server over streamable HTTP."""
    with _everything(node, "streamableHttp") as server:
        yield f"http://127.0.0.1:{_port(server)}/mcp"


@pytest.fixture(scope="session")
def everything_sse_url(node: str) -> Iterator[str]:
    """The same server over the older transport."""
    with _everything(node, "sse") as server:
        yield f"http://127.0.0.1:{_port(server)}/sse"


@pytest.fixture(scope="session")
def aimock(node: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aimock]:
    """The provider."""
    start = tmp_path_factory.mktemp("aimock") / "fixtures.json"  # it does not start without any
    start.write_text('{"fixtures":[{"match":{"userMessage":"ping"},"response":{"content":"pong"}}]}')
    command = [node, str(AIMOCK), "--port", "0", "--fixtures", str(start), "--strict", "--validate-on-load"]
    with Process(command, env=os.environ) as server:
        mock = Aimock(server.wait_for_line(r"listening on (\S+)")[1])
        yield mock
        mock.close()


@pytest.fixture(scope="session")
def gateway(
    aimock: Aimock, everything_url: str, everything_sse_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The gateway, with a server of each transport and the provider behind it."""
    settings = {
        "providers": {
            "openai": {"base_url": f"{aimock.url}/v1", "api_keys": [CANARY]},
            "anthropic": {"base_url": aimock.url, "api_keys": [CANARY]},
        },
        "mcp_servers": {
            "http": {"url": everything_url},
            "sse": {"url": everything_sse_url},
            "slow": {"url": everything_url, "allow": "^trigger-long", "timeout": 1},
            "time": {"command": sys.executable, "args": ["-m", "mcp_server_time", "--local-timezone", "UTC"]},
        },
        "telemetry": {"log_level": "debug"},
    }
    with serving(tmp_path_factory.mktemp("gateway"), settings) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    """The official client, pointed at the gateway as its users do."""
    http = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(
        base_url=f"{gateway.url}/openai/v1", api_key="any", max_retries=0, timeout=20, http_client=http
    ) as client:
        yield client


def _everything(node: str, transport: str) -> Process:
    return Process([node, "--require", HERE / "loopback.cjs", EVERYTHING, transport], env={**os.environ, "PORT": "0"})


def _port(server: Process) -> int:
    return int(server.wait_for_line(r"loopback port (\d+)")[1])
