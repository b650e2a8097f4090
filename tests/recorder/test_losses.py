"""Every lost record is counted; the log tells of them now and then."""

import pytest

from aibridge.recorder.losses import Losses


def test_all_are_counted_and_few_lines_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    lost: list[int] = []
    time = [0.0]
    losses = Losses(lost.append, lambda: time[0])
    for second in range(25):
        time[0] = second
        losses.add(2, "disk full")
    losses.close()
    losses.close()
    assert sum(lost) == 50
    assert caplog.messages == [
        "dropped 2 records (disk full)",
        "dropped 20 records (disk full)",
        "dropped 20 records (disk full)",
        "dropped 8 records more",
    ]
