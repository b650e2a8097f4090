"""The fixtures, in a pytest run of its own: as users have it."""

import subprocess
import sys
from pathlib import Path

TESTS = """
import asyncio
import httpx2
from aibridge.testing import answer

def test_synchronous(fake_openai):
    fake_openai.handler = [answer("Hi")]
    assert httpx2.post(f"{fake_openai.url}/responses", json={}, trust_env=False).status_code == 200

def test_asynchronous(fake_openai):
    async def ask():
        fake_openai.handler = answer("Hi")
        async with httpx2.AsyncClient(trust_env=False) as client:
            assert (await client.post(f"{fake_openai.url}/responses", json={})).status_code == 200
        assert (await fake_openai.next_request()).path == "/v1/responses"
    asyncio.run(ask())

def test_anthropic(fake_anthropic):
    fake_anthropic.handler = [answer("Hi")]
    assert httpx2.post(f"{fake_anthropic.url}/v1/messages", json={}, trust_env=False).status_code == 200

def test_misuse(fake_openai):
    httpx2.post(f"{fake_openai.url}/responses", json={}, trust_env=False)
"""


def test_the_fixtures_serve_tests_and_are_loud_about_misuse(tmp_path: Path) -> None:
    (tmp_path / "test_agent.py").write_text(TESTS)
    # However aibridge is installed, the plugin is loaded once.
    plugin = ["-p", "no:aibridge", "-p", "aibridge.testing.pytest_plugin", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "4 passed, 1 error" in run.stdout
    assert "Misuse: there is no answer to <Request POST /v1/responses" in run.stdout
