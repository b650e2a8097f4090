"""Fakes to test your own agents with: an OpenAI and an Anthropic whose answers are yours, on a loopback port.

    from aibridge.testing import FakeOpenAI, answer, call

    async with FakeOpenAI([answer(call("get_time")), answer("It is noon.")]) as provider:
        assert await my_agent(base_url=provider.url) == "It is noon."

`FakeAnthropic` takes the same answers. With `strict=True` either refuses what the real one would.

Nothing is imported until a name is used, so that the pytest plugin costs nothing where no test asks for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aibridge.testing.api import *  # noqa: F403  its __all__ is the list
else:  # hidden from type checkers, to whom it would excuse every misspelt name

    def __getattr__(name: str) -> object:
        try:
            return getattr(import_module("aibridge.testing.api"), name)
        except AttributeError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted(import_module("aibridge.testing.api").__all__)
