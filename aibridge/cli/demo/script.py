"""The scripted provider: it calls a tool of ours, reads the result, and answers with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from aibridge.testing import Answer, Request, answer, call, delay, words
from aibridge.testing.answers import Part

SERVER = "clock"
TOOL = "bmcp_clock_now"
ARGUMENTS = '{"tz":"UTC"}'
QUESTION = "What time is it?"


@dataclass(frozen=True, slots=True)
class HiddenRound:
    """A round that the client never sees, as the provider saw it."""

    number: int
    tool: str
    arguments: str
    result: str
    seconds: float  # from the call to the request that brought its result


class Script:
    """A model of two rounds. `on_hidden` hears of the hidden one; `pause` is the time between words, in seconds."""

    def __init__(self, on_hidden: Callable[[HiddenRound], None], pause: float = 0.0) -> None:
        self._on_hidden = on_hidden
        self._pause = pause
        self._called_at = 0.0
        self.offered: list[str] = []  # the tools in the first request
        self.result: str | None = None  # what the tool said

    def __call__(self, request: Request) -> Answer:
        if request.tool_results:
            return self._second(request)
        self.offered = request.tool_names
        if TOOL not in self.offered:
            return answer("I have no clock.")
        self._called_at = perf_counter()
        return answer(self._spoken("I will look at the clock."), call(TOOL, ARGUMENTS))

    def _second(self, request: Request) -> Answer:
        (self.result,) = request.tool_results.values()
        self._on_hidden(HiddenRound(1, TOOL, ARGUMENTS, self.result, perf_counter() - self._called_at))
        return answer(self._spoken(f" It is {self.result}, says the clock."))

    def _spoken(self, text: str) -> list[Part]:
        """The text word by word, as a model speaks."""
        return [part for word in words(text) for part in (word, delay(self._pause))]
