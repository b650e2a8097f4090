import logging

import pytest

from aibridge.errors import Unavailable
from aibridge.model import Outcome
from aibridge.ports import Recorder
from aibridge.telemetry.fan import fan_out
from tests.telemetry.fakes import INTERCEPTION, PROMPT, FakeRecorder

DONE = Outcome("completed", 1)
EVERYTHING = ["start", "PromptRecord", "completed"]


async def play(recorder: Recorder) -> None:
    await recorder.start(INTERCEPTION)
    await recorder.record(INTERCEPTION, PROMPT)
    await recorder.finish(INTERCEPTION, DONE)


async def test_everything_goes_to_all() -> None:
    recorders = FakeRecorder(), FakeRecorder(), FakeRecorder()
    await play(fan_out(*recorders))
    assert [recorder.taken for recorder in recorders] == [EVERYTHING] * 3


def test_one_alone_is_itself() -> None:
    recorder = FakeRecorder()
    assert fan_out(recorder) is recorder


async def test_where_the_first_cannot_start_the_others_are_not_asked() -> None:
    other = FakeRecorder()
    with pytest.raises(Unavailable, match="full"):
        await fan_out(FakeRecorder(Unavailable("full")), other).start(INTERCEPTION)
    assert other.taken == []


async def test_where_the_first_fails_later_the_others_still_hear() -> None:
    other = FakeRecorder()
    recorder = fan_out(FakeRecorder(Unavailable("full")), other)
    with pytest.raises(Unavailable):
        await recorder.record(INTERCEPTION, PROMPT)
    with pytest.raises(Unavailable):
        await recorder.finish(INTERCEPTION, DONE)
    assert other.taken == ["PromptRecord", "completed"]


async def test_the_failure_of_another_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    first, last = FakeRecorder(), FakeRecorder()
    with caplog.at_level(logging.ERROR, "aibridge"):
        await play(fan_out(first, FakeRecorder(RuntimeError("no")), last))
    assert first.taken == last.taken == EVERYTHING
    assert caplog.messages == ["a secondary recorder failed"] * 3
