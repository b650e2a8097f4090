import logging

import pytest

from aibridge.errors import Unavailable
from aibridge.model import Interception, Outcome, Record
from aibridge.ports import Recorder
from aibridge.telemetry.overheard import Overheard
from tests.telemetry.fakes import INTERCEPTION, PROMPT, FakeRecorder

DONE = Outcome("completed", 1)
EVERYTHING = ["start", "PromptRecord", "completed"]


class Ear:
    """A listener that remembers, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.heard: list[str] = []
        self._error = error

    def start(self, interception: Interception) -> None:
        self._hear("start")

    def record(self, interception: Interception, record: Record) -> None:
        self._hear(type(record).__name__)

    def finish(self, interception: Interception, outcome: Outcome) -> None:
        self._hear(outcome.status)

    def _hear(self, what: str) -> None:
        self.heard.append(what)
        if self._error is not None:
            raise self._error


async def play(recorder: Recorder) -> None:
    await recorder.start(INTERCEPTION)
    await recorder.record(INTERCEPTION, PROMPT)
    await recorder.finish(INTERCEPTION, DONE)


async def test_both_hear_everything() -> None:
    recorder, ear = FakeRecorder(), Ear()
    await play(Overheard(recorder, ear))
    assert recorder.taken == ear.heard == EVERYTHING


async def test_where_the_recorder_cannot_start_nothing_is_heard() -> None:
    ear = Ear()
    with pytest.raises(Unavailable, match="full"):
        await Overheard(FakeRecorder(Unavailable("full")), ear).start(INTERCEPTION)
    assert ear.heard == []


async def test_where_it_fails_later_the_rest_is_still_heard() -> None:
    ear = Ear()
    recorder = Overheard(FakeRecorder(Unavailable("full")), ear)
    with pytest.raises(Unavailable):
        await recorder.record(INTERCEPTION, PROMPT)
    with pytest.raises(Unavailable):
        await recorder.finish(INTERCEPTION, DONE)
    assert ear.heard == ["PromptRecord", "completed"]


async def test_the_failure_of_a_listener_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    recorder = FakeRecorder()
    with caplog.at_level(logging.ERROR, "aibridge"):
        await play(Overheard(recorder, Ear(RuntimeError("no"))))
    assert recorder.taken == EVERYTHING
    assert caplog.messages == ["something that is recorded could not be counted"] * 3
