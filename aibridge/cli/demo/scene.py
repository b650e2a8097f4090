"""What happens in the demo, in order; every step is checked."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import openai

import aibridge.app
from aibridge.cli.demo.records import Records, recorded
from aibridge.cli.demo.script import QUESTION, SERVER, TOOL, Script
from aibridge.cli.demo.show import Show
from aibridge.config import Settings
from aibridge.testing import FakeOpenAI
from aibridge.tools.toolbox import ToolServers

CONNECT_SECONDS = 15
MCP_SERVER = ["-m", "aibridge.testing.demo"]
PROVIDER = "openai"


class Off(Exception):
    """Something did not come out as it should. Says what."""


async def play(show: Show, limit: float) -> None:
    """Plays the demo. Raises Off, also where it is not over after `limit` seconds."""
    try:
        async with asyncio.timeout(limit):
            await _play(show)
    except TimeoutError:
        raise Off(f"it was not over after {limit:g} s") from None


async def _play(show: Show) -> None:
    script = Script(show.hidden_round, pause=0.05 if show.is_live else 0.0)
    with TemporaryDirectory(prefix="aibridge-demo-") as directory:
        database = Path(directory) / "aibridge.db"
        async with (
            FakeOpenAI(script) as provider,
            aibridge.app.running(_settings(provider.url, database)) as gateway,
        ):
            await _connected(gateway.tools)
            show.stage(provider.url, gateway.url)
            answer = await _ask(f"{gateway.url}/{PROVIDER}/v1", show)
            check_answer(answer, script)
            records = await recorded(database)
        check_records(records)
        show.records(records)
    show.farewell()


def _settings(provider_url: str, database: Path) -> Settings:
    return Settings.model_validate(
        {
            "server": {"port": 0},
            "providers": {"openai": {"base_url": provider_url, "api_keys": ["demo-key"]}},
            "mcp_servers": {SERVER: {"command": sys.executable, "args": MCP_SERVER}},
            "recorder": {"url": f"sqlite:///{database}"},
            "telemetry": {"log_level": "error"},
        }
    )


async def _connected(servers: ToolServers) -> None:
    """Raises Off unless the MCP server can be used."""
    await servers.settled(CONNECT_SECONDS)
    for server in servers.states():
        if server.state != "connected":
            raise Off(f"the MCP server is {server.state}: {server.reason or f'not connected in {CONNECT_SECONDS} s'}")


async def _ask(base_url: str, show: Show) -> str:
    """Streams the answer with the official client, as any program would, and shows it as it comes."""
    show.question(QUESTION)
    answer = ""
    # Without the environment's proxies: all of this stays on the machine.
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with openai.AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0, http_client=http) as client:
        try:
            stream = await client.chat.completions.create(
                model="demo-model", messages=[{"role": "user", "content": QUESTION}], stream=True
            )
            async for chunk in stream:
                for choice in chunk.choices:
                    if choice.delta.tool_calls:
                        raise Off("the client saw a tool call that was not its own")
                    answer += choice.delta.content or ""
                    show.text(choice.delta.content or "")
        except openai.OpenAIError as error:
            raise Off(f"the client got no whole answer: {error}") from error
    show.end_of_answer()
    return answer


def check_answer(answer: str, script: Script) -> None:
    """Raises Off unless the answer says what the tool said."""
    if script.result is None:
        raise Off(f"the provider was not offered {TOOL}; it was offered {', '.join(script.offered) or 'no tool'}")
    if script.result not in answer:
        raise Off(f"the tool said {script.result!r}, and the answer is {answer!r}")


def check_records(records: Records) -> None:
    """Raises Off unless all that happened is recorded."""
    found = [(row["status"], row["rounds"]) for row in records.interceptions]
    if found != [("completed", 2)]:
        raise Off(f"one completed interception of 2 rounds should be recorded; (status, rounds) are {found}")
    prompts = [row["prompt"] for row in records.prompts]
    if prompts != [QUESTION]:
        raise Off(f"the prompt {QUESTION!r} should be recorded; there are {prompts}")
    tools = [(row["tool"], row["injected"], row["invocation_error"]) for row in records.tools]
    if tools != [("now", 1, None)]:
        raise Off(f"one call of the tool 'now' should be recorded; (tool, injected, error) are {tools}")
    if len(records.tokens) != 2:
        raise Off(f"the tokens of 2 rounds should be recorded; there are those of {len(records.tokens)}")
