"""The gateway's own end."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aibridge.testing import FakeOpenAI, Gate, answer, wait
from tests.security.house import CHAT, body, post
from tests.served import Gateway
from tests.waiting import until

STREAMS = 500


@pytest.mark.parametrize("drained", [True, False], ids=["drained", "ended"])
def test_43_at_sigterm_500_streams_are_drained_or_told_and_all_recorded(tmp_path: Path, drained: bool) -> None:
    gate = Gate()
    grace = 30 if drained else 0.2
    with FakeOpenAI(answer("Let me ", wait(gate), "think."), keep_requests=False) as provider:
        one = {"base_url": provider.url, "api_keys": ["sk-canary-0123456789abcdef"]}
        settings = {"providers": {"openai": one}, "server": {"shutdown_grace_seconds": grace}}
        with Gateway(tmp_path, settings) as gateway:
            gateway.wait_until_ready()
            heard = asyncio.run(hear_all(gateway, gate, drained))
            assert gateway.status() == 0
            rows = gateway.interceptions(STREAMS)
            assert gateway.open_interceptions() == []
            assert "Traceback" not in gateway.output
    assert len(rows) == STREAMS
    assert {row["status"] for row in rows} == {"completed" if drained else "failed"}
    assert all(one.endswith("data: [DONE]\n\n\r\n0\r\n\r\n") for one in heard)
    assert all(("think." in one) == drained for one in heard)
    assert all(('"error":{"message":"aibridge is stopping' in one) != drained for one in heard)


async def hear_all(gateway: Gateway, gate: Gate, drained: bool) -> list[str]:
    """Opens all streams, has the gateway stop, and hears them to their end."""
    asked = post(CHAT, json.dumps(body(stream=True)).encode())
    parts = urlsplit(gateway.url)
    left = STREAMS
    all_begun = asyncio.Event()

    async def hear() -> str:
        nonlocal left
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(asked)
        begun = await reader.readuntil(b"Let me ")
        left -= 1
        if not left:
            all_begun.set()
        heard = begun + await reader.read(-1)
        writer.close()
        return heard.decode()

    hearing = [asyncio.create_task(hear()) for _ in range(STREAMS)]
    async with asyncio.timeout(30):
        await all_begun.wait()
    gateway.signal(signal.SIGTERM)
    if drained:
        await asyncio.to_thread(until, lambda: gateway.get("/readyz").status_code == 503)
        gate.open()
    return await asyncio.gather(*hearing)
