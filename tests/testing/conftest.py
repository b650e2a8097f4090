from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from aibridge.testing import FakeAnthropic, FakeOpenAI

Connect = Callable[[FakeOpenAI], AsyncOpenAI]
ConnectAnthropic = Callable[[FakeAnthropic], AsyncAnthropic]


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=5) as client:
        yield client


@pytest.fixture
def connect(http: httpx2.AsyncClient) -> Connect:
    """Makes the official client of a fake."""
    return lambda provider: AsyncOpenAI(base_url=provider.url, api_key="made-up", http_client=http, max_retries=0)


@pytest.fixture
def connect_anthropic(http: httpx2.AsyncClient) -> ConnectAnthropic:
    """Makes the official client of a fake Anthropic."""
    return lambda provider: AsyncAnthropic(base_url=provider.url, api_key="made-up", http_client=http, max_retries=0)
