"""Log entries: one line each, without secrets; with colours on a terminal, as JSON anywhere else."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Final, Literal, TextIO, final

import msgspec
import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor
from typing_extensions import override

from aibridge.telemetry.lines import Cleaner, flatten
from aibridge.telemetry.redaction import Redactor
from aibridge.telemetry.watch import current

Format = Literal["auto", "console", "json"]

_OURS: Final = ("aibridge", "uvicorn")
_encode = msgspec.json.Encoder().encode


def configure(
    level: str = "info",
    format: Format = "auto",  # noqa: A002  the setting is called log_format
    *,
    redact: Redactor | None = None,
    stream: TextIO | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Sends everything that any room or library logs to the stream (standard error), an entry a line.

    `level` holds for the gateway and its server. Libraries speak from WARNING on: below it, some write whole requests.
    `facts` are in every entry.
    Uvicorn must be told not to configure logging itself (`log_config=None`).
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(format, stream, redact or Redactor(), facts or {}))
    _replace_handlers(logging.getLogger(), handler)
    set_level(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        _replace_handlers(logging.getLogger(name))
        logging.getLogger(name).propagate = True
    logging.captureWarnings(True)


def set_level(level: str) -> None:
    """Sets the least level that is logged."""
    chosen: int = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger().setLevel(max(chosen, logging.WARNING))
    for name in _OURS:
        logging.getLogger(name).setLevel(chosen)


def formatter(
    format: Format,  # noqa: A002
    stream: TextIO,
    redact: Redactor,
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> logging.Formatter:
    """The formatter that `configure` gives to its handler."""
    terminal = stream.isatty()
    renderers: list[Processor] = [_json]
    if format == "console" or (format == "auto" and terminal):
        colors = terminal and not os.environ.get("NO_COLOR")
        renderers = [structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False), _join]

    def add_facts(_: Any, __: str, entry: EventDict) -> EventDict:
        entry.update(facts)
        return entry

    return _Lines(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            ExtraAdder(),
        ],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            add_facts,
            _add_request,
            _add_traceback,
            Cleaner(redact),
            *renderers,
        ],
    )


@final
class _Lines(ProcessorFormatter):
    """An entry that cannot be formatted is told of, instead of being printed as it is by the standard library."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001  a log call must harm nobody
            where = f"{record.pathname}:{record.lineno}"
            broken = logging.LogRecord(
                record.name,
                record.levelno,
                record.pathname,
                record.lineno,
                "an entry could not be formatted: %s at %s",
                (type(error).__name__, where),
                None,
            )
            return super().format(broken)


def _replace_handlers(logger: logging.Logger, *handlers: logging.Handler) -> None:
    for handler in [*logger.handlers]:
        logger.removeHandler(handler)
    for handler in handlers:
        logger.addHandler(handler)


def _add_request(_: Any, __: str, entry: EventDict) -> EventDict:
    """Says which interception the entry belongs to, where it belongs to one."""
    watch = current.get()
    if watch is not None:
        entry.update(watch.facts)
    return entry


def _add_traceback(_: Any, __: str, entry: EventDict) -> EventDict:
    """Says what was raised, where and from what, in a line."""
    raised = entry.pop("exc_info", None)
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        entry["traceback"] = flatten(error)
    return entry


def _json(_: Any, __: str, entry: MutableMapping[str, Any]) -> str:
    return _encode(entry).decode()


def _join(_: Any, __: str, entry: Any) -> str:
    """The console's renderer puts what is called `exception` or `stack` on lines of their own."""
    return " ".join(str(entry).split("\n"))
