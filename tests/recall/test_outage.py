"""An outage is told when it begins and when it is over."""

import asyncio

import pytest
from sqlalchemy.exc import OperationalError

from aibridge.recall.outage import Outage


@pytest.fixture
def outage() -> Outage:
    return Outage("it fails", "it works again")


def attempt(outage: Outage, error: BaseException | None = None) -> None:
    with outage:
        if error is not None:
            raise error


def test_what_works_is_not_told(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    attempt(outage)
    assert caplog.messages == []


def test_each_outage_is_told_once(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    for error in (ValueError("canary"), TimeoutError(), None, None, TimeoutError(), None):
        attempt(outage, error)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "it fails (ValueError)"),
        ("WARNING", "it works again"),
        ("ERROR", "it fails (the database is too slow)"),
        ("WARNING", "it works again"),
    ]


def test_the_database_says_why_and_no_row_is_quoted(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    attempt(outage, OperationalError("SELECT canary", {}, ValueError("disk full\nDETAIL: row (canary)")))
    assert caplog.messages == ["it fails (disk full)"]


def test_a_cancellation_is_no_outage(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(asyncio.CancelledError):
        attempt(outage, asyncio.CancelledError())
    assert caplog.messages == []
