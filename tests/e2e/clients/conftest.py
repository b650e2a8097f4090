"""A gateway before both of the provider's APIs, and the clients as far as they are installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.aimock import Aimock
from tests.e2e.clients.running import programs
from tests.served import Gateway, Row, serving

News = Callable[[], list[Row]]


@pytest.fixture(scope="session")
def gateway(aimock: Aimock, everything_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway, as its users' pages suppose it."""
    settings = {
        "providers": {
            "openai": {"base_url": f"{aimock.url}/v1", "api_keys": ["sk-of-the-gateway-0123456789"]},
            "anthropic": {"base_url": aimock.url, "api_keys": ["sk-ant-of-the-gateway-0123456789"]},
        },
        "mcp_servers": {
            "http": {"url": everything_url},
            "time": {"command": sys.executable, "args": ["-m", "mcp_server_time", "--local-timezone", "UTC"]},
        },
    }
    with serving(tmp_path_factory.mktemp("gateway"), settings) as running:
        yield running


@pytest.fixture(scope="session")
def seen() -> set[str]:
    """The interceptions that were looked at already."""
    return set()


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of all programs that the pages' commands may name."""
    directory = tmp_path_factory.mktemp("bin")
    programs(directory)
    return directory


@pytest.fixture
def news(gateway: Gateway, seen: set[str]) -> News:
    """Tells the interceptions since the last look, once none is under way."""

    def look() -> list[Row]:
        gateway.settle()
        rows = [row for row in gateway.interceptions() if row["id"] not in seen]
        seen.update(row["id"] for row in rows)
        return rows

    return look
