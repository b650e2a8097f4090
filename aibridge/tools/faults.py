"""What went wrong with a server, in one line that is safe to show: to the model, in records, in logs."""

from __future__ import annotations

from collections.abc import Iterable

import httpx2
from mcp import MCPError

from aibridge.tools.words import one_line, without


class ServerDown(Exception):
    """The server isn't connected and could not be now."""


def explain(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """Why something failed, in words, with every secret replaced by `***`."""
    return one_line(without(secrets, _words(_root(error))))


def _root(error: BaseException) -> BaseException:
    """The first leaf of a group: the others follow from it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _words(error: BaseException) -> str:
    match error:
        case MCPError() | ServerDown():
            return str(error) or type(error).__name__
        case httpx2.HTTPStatusError():
            return answered(error.response)  # its own text has the URL in it
        case FileNotFoundError():
            return f"the command {error.filename!r} was not found"
        case TimeoutError():
            return "it took too long"
        case _:
            first, *_ = str(error).splitlines() or [""]  # what follows may quote all that the server sent
            return f"{type(error).__name__}: {first}" if first else type(error).__name__


def answered(response: httpx2.Response) -> str:
    """What an unwanted HTTP status is called."""
    return f"the server answered {response.status_code} {response.reason_phrase}".rstrip()
