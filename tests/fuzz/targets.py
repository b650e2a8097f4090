"""What is fuzzed, and how many of each thousand inputs each gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.fuzz.exchanges import chat_completions, messages, responses
from tests.fuzz.requests import requests
from tests.fuzz.sse import sse


@dataclass(frozen=True)
class Target:
    """One harness: fed with bytes, it raises where something is wrong."""

    feed: Callable[[bytes], None]
    share: int  # of a thousand inputs
    longest: int  # bytes of one input


TARGETS: Mapping[str, Target] = {
    "sse": Target(sse, 400, 1024),
    "chat_completions": Target(chat_completions, 120, 2048),
    "responses": Target(responses, 120, 2048),
    "messages": Target(messages, 120, 2048),
    "requests": Target(requests, 240, 4096),
}
