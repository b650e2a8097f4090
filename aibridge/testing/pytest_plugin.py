"""A pytest fixture, there wherever aibridge is installed. Everything else is imported only by whoever asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aibridge.testing.fake_openai import FakeOpenAI


@pytest.fixture
def fake_openai() -> Iterator[FakeOpenAI]:
    """A fake OpenAI that runs in a thread, for synchronous and asynchronous tests alike: set its `handler`.

    `fake_openai.handler = [answer(call("get_time")), answer("It is noon.")]` and point the agent at `fake_openai.url`.
    """
    from aibridge.testing.fake_openai import FakeOpenAI  # pytest loads plugins before coverage begins to look

    with FakeOpenAI() as provider:
        yield provider
