"""How a fake provider decides: by a handler, by a script, or always the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from aibridge.testing.dialect import Misuse
from aibridge.testing.replies import Given
from aibridge.testing.request import Request

Handler = Callable[[Request], Given | Awaitable[Given]]
Behaviour = Handler | Given | Sequence[Handler | Given]
"""A handler; one answer for every request; or a script: an answer, or a handler, for each request in turn."""


def handler_of(behaviour: Behaviour) -> Callable[[Request], object]:
    """The behaviour as a function. A script raises Misuse once it is exhausted."""
    if callable(behaviour):
        return behaviour
    if isinstance(behaviour, Sequence):
        return _scripted(behaviour)
    return lambda _: behaviour


def no_handler(request: Request) -> Given:
    """Stands in until there is a handler: every request is a misuse."""
    raise Misuse(f"there is no answer to {request!r}: pass a handler, an answer or a script, or set `handler`")


def _scripted(script: Sequence[Handler | Given]) -> Callable[[Request], object]:
    rest = iter(script)

    def handler(request: Request) -> object:
        return handler_of(_next(rest, len(script), request))(request)

    return handler


def _next(rest: Iterator[Handler | Given], length: int, request: Request) -> Handler | Given:
    try:
        return next(rest)
    except StopIteration:
        raise Misuse(f"the script is exhausted after {length} answers, and there came {request!r}") from None
