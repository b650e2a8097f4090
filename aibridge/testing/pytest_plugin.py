"""Pytest fixtures, there wherever aibridge is installed. Everything else is imported only by whoever asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aibridge.testing.fake_anthropic import FakeAnthropic
    from aibridge.testing.fake_openai import FakeOpenAI


@pytest.fixture
def fake_openai() -> Iterator[FakeOpenAI]:
    """A fake OpenAI that runs in a thread, for synchronous and asynchronous tests alike: set its `handler`.

    `fake_openai.handler = [answer(call("get_time")), answer("It is noon.")]` and point the agent at `fake_openai.url`.
    """
    from aibridge.testing.fake_openai import FakeOpenAI  # pytest loads plugins before coverage begins to look

    with FakeOpenAI() as provider:
        yield provider


@pytest.fixture
def fake_anthropic() -> Iterator[FakeAnthropic]:
    """The same with a fake Anthropic: point the agent's ANTHROPIC_BASE_URL at `fake_anthropic.url`."""
    from aibridge.testing.fake_anthropic import FakeAnthropic  # pytest loads plugins before coverage begins to look

    with FakeAnthropic() as provider:
        yield provider
