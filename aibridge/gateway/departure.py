"""How whoever serves a request learns that its client has left: at once, and without a task that waits for it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Scope

KEY = "aibridge.departure"
"""Where a request's scope has it."""


class Departure:
    """One client's departure in the middle of its request."""

    __slots__ = ("_tell", "happened")

    def __init__(self) -> None:
        self.happened = False
        self._tell: Callable[[], None] | None = None

    def watch(self, tell: Callable[[], None] | None) -> None:
        """Whom to tell from now on: at once, if it has happened already. None: nobody."""
        self._tell = tell
        if self.happened and tell is not None:
            tell()

    def happen(self) -> None:
        """The client has left."""
        self.happened = True
        if self._tell is not None:
            self._tell()


def departure_of(scope: Scope) -> Departure:
    """That of a request; one that never happens, where the server tells nothing of it."""
    found = scope.get(KEY)
    return found if isinstance(found, Departure) else Departure()
