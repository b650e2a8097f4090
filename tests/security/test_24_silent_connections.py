"""Threat 24: ten thousand connections that say nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from aibridge.gateway.files import connections_for
from tests.served import Gateway, serving


def test_24_silent_connections_do_not_slow_others_down(tmp_path: Path) -> None:
    silent = min(10_000, connections_for(10_000, 0))
    with serving(tmp_path, {}) as gateway:
        alone = slowest_but_one_in_a_hundred(gateway)
        with silence(gateway, silent):
            beside = slowest_but_one_in_a_hundred(gateway)
    assert beside < max(5 * alone, 0.05)


def test_24_beyond_the_most_connections_a_silent_one_makes_room(tmp_path: Path) -> None:
    with serving(tmp_path, {"server": {"max_connections": 50}}) as gateway, silence(gateway, 200):
        for _ in range(3):
            assert gateway.get("/healthz").status_code == 200


@contextmanager
def silence(gateway: Gateway, count: int) -> Generator[None]:
    host, port = gateway.url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
        yield


def slowest_but_one_in_a_hundred(gateway: Gateway) -> float:
    """The p99 of so many requests that some fall upon each look at the silent ones, in seconds.

    Nothing is recorded of these and no provider asked: the disk and the provider would be all that is seen.
    """
    taken = []
    with httpx2.Client(base_url=gateway.url, trust_env=False, timeout=30) as client:
        for _ in range(2000):
            began = time.perf_counter()
            assert client.get("/healthz").status_code == 200
            taken.append(time.perf_counter() - began)
    return sorted(taken)[-21]
