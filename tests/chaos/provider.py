"""The providers, in a process of their own: `python -m tests.chaos.provider` says on which ports."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from aibridge.testing import FakeAnthropic, FakeOpenAI
from tests.chaos.kinds import play


async def main() -> None:
    async with FakeOpenAI(play, keep_requests=False) as openai, FakeAnthropic(play, keep_requests=False) as anthropic:
        print(*(fake.origin.rpartition(":")[2] for fake in (openai, anthropic)), flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.buffer.read)  # until the parent lets go of it


if __name__ == "__main__":
    uvloop.run(main())
