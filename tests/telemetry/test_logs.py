import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from aibridge.telemetry import logs
from aibridge.telemetry.redaction import Redactor
from aibridge.telemetry.watch import Watch
from tests.telemetry.fakes import KEY

TOUCHED = ["", "aibridge", "uvicorn", "uvicorn.error", "uvicorn.access", "somebody"]
logger = logging.getLogger("aibridge.gateway")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging belongs to the whole process."""
    loggers = [logging.getLogger(name) for name in TOUCHED]
    before = [(each, each.level, each.propagate, [*each.handlers]) for each in loggers]
    yield
    logging.captureWarnings(False)
    for each, level, propagate, handlers in before:
        each.setLevel(level)
        each.propagate = propagate
        each.handlers[:] = handlers


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    logs.configure("info", "auto", stream=stream, redact=Redactor(["hunter22"]))
    return stream


def entry(stream: io.StringIO) -> dict[str, Any]:
    """The one entry that was written, and the one line."""
    text = stream.getvalue()
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1
    found: dict[str, Any] = json.loads(text)
    return found


def test_an_entry_is_json_where_there_is_no_terminal(stream: io.StringIO) -> None:
    logger.info("provider %s answered", "openai", extra={"status": 200})
    found = entry(stream)
    assert found.pop("timestamp").endswith("Z")
    assert found == {
        "event": "provider openai answered",
        "level": "info",
        "logger": "aibridge.gateway",
        "status": 200,
    }


def test_it_has_colours_on_a_terminal_unless_they_are_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for colours in (True, False):
        terminal = Terminal()
        logs.configure(stream=terminal)
        logger.info("hello", extra={"server": "time"})
        assert "hello" in terminal.getvalue()
        assert ("\x1b[" in terminal.getvalue()) is colours
        monkeypatch.setenv("NO_COLOR", "1")


def test_a_format_may_be_asked_for() -> None:
    console, machine = io.StringIO(), Terminal()
    logs.configure(format="console", stream=console)
    logger.info("hello")
    logs.configure(format="json", stream=machine)
    logger.info("hello")
    assert "[info     ] hello" in console.getvalue()
    assert entry(machine)["event"] == "hello"


@pytest.mark.parametrize("format_", ["console", "json"])
def test_one_entry_is_one_line_whatever_it_says(format_: logs.Format) -> None:
    stream = io.StringIO()
    logs.configure(format=format_, stream=stream)
    evil = 'a\r\n{"event":"forged"}\x00\x1b[2J\x9b\u2028\u0085\x0b\x0c\x1c\ud800'
    extra = {
        "model": evil,
        evil: 1,
        "nested": {evil: [evil]},
        "raw": evil.encode("utf-8", "replace"),
        "exception": evil,
    }
    try:
        raise ValueError(evil)
    except ValueError:
        logger.exception("tool %s failed", evil, extra=extra, stack_info=True)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert len(text.splitlines()) == 1
    assert not [character for character in text[:-1] if not character.isprintable()]
    assert "forged" in text


def test_an_exception_is_told_in_the_same_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("no\nway")
    except ValueError:
        logger.exception("it failed")
    found = entry(stream)
    assert found["event"] == "it failed"
    assert found["traceback"].startswith(r"ValueError: no\nway @ ")
    assert "test_logs.py:" in found["traceback"]


def test_an_exception_may_be_handed_over_as_it_is(stream: io.StringIO) -> None:
    logger.error("it failed", exc_info=ValueError("no"))
    assert entry(stream)["traceback"] == "ValueError: no"


def test_where_nothing_was_raised_there_is_no_traceback(stream: io.StringIO) -> None:
    logger.error("it failed", exc_info=True)  # noqa: LOG014  the mistake that is tested
    assert "traceback" not in entry(stream)


def test_no_secret_gets_through(stream: io.StringIO) -> None:
    try:
        raise ValueError(f"401 for {KEY} and hunter22")
    except ValueError:
        logger.exception("sent %s", {"x-api-key": "plain-one"}, extra={"headers": [(b"authorization", b"plain-two")]})
    text = stream.getvalue()
    assert [secret for secret in (KEY, "hunter22", "plain-one", "plain-two") if secret in text] == []


def test_it_says_which_interception_it_belongs_to(stream: io.StringIO) -> None:
    with Watch("the-id"):
        logger.info("hello")
    assert entry(stream)["interception_id"] == "the-id"


def test_below_the_level_nothing_is_written(stream: io.StringIO) -> None:
    logger.debug("hello")
    assert stream.getvalue() == ""
    assert not logger.isEnabledFor(logging.DEBUG)


def test_libraries_speak_from_warning_on_even_when_we_debug() -> None:
    stream = io.StringIO()
    logs.configure("debug", stream=stream)
    logging.getLogger("somebody").info("the whole request")
    assert stream.getvalue() == ""
    logging.getLogger("somebody").warning("careful")
    assert entry(stream)["event"] == "careful"


def test_the_server_is_formatted_like_the_rest_and_written_once(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn").addHandler(logging.StreamHandler(stream))
    logging.getLogger("uvicorn.access").propagate = False
    logs.configure(stream=stream)
    logging.getLogger("uvicorn.access").info('%s - "%s"', "127.0.0.1", "GET /\n")
    assert entry(stream)["event"] == r'127.0.0.1 - "GET /\n"'


def test_configuring_twice_writes_once(stream: io.StringIO) -> None:
    logs.configure(stream=stream)
    logger.info("hello")
    assert entry(stream)["event"] == "hello"


def test_warnings_are_entries_too(stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old\nways", DeprecationWarning, stacklevel=1)
    assert r"old\nways" in entry(stream)["event"]


def test_an_entry_that_cannot_be_formatted_shows_no_more_than_where_it_is(stream: io.StringIO) -> None:
    logs.configure(stream=stream)  # anew, for the test runner's own handler would raise
    logger.info("%d", KEY)
    found = entry(stream)
    assert found["event"].startswith("an entry could not be formatted: TypeError at ")
    assert "test_logs.py" in found["event"]


def test_an_unknown_level_is_an_error() -> None:
    with pytest.raises(KeyError):
        logs.configure("loud")
