from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from openai import AsyncOpenAI

from aibridge.testing import FakeOpenAI

Connect = Callable[[FakeOpenAI], AsyncOpenAI]


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=5) as client:
        yield client


@pytest.fixture
def connect(http: httpx2.AsyncClient) -> Connect:
    """Makes the official client of a fake."""
    return lambda provider: AsyncOpenAI(base_url=provider.url, api_key="made-up", http_client=http, max_retries=0)
