"""What is asked in a storm, and what comes of it: the model's name is the script that the provider plays.

The last words of an answer say how many rounds and calls it took, so that a client that has them knows what must stand
in the records.
"""

from __future__ import annotations

import re
from itertools import count

from aibridge.testing import Answer, Call, Request, answer, call, delay, thought, words

MIXED = ("talks", "talks", "thinks", "looks", "looks", "digs", "hands-over")
"""The models of ordinary traffic, the frequent ones more than once."""

SLOWLY = "-slowly"
"""Behind any of these names: spoken as slowly as real models speak."""

CLIENT_TOOL = "open_file"
"""Declared by the client that asks `hands-over`."""

_READERS = ("bmcp_pages_read", "bmcp_shelf_read")  # one over HTTP, one over standard input and output
_PACE = 0.01  # seconds between two words
_SLOW_PACE = 0.25
_LONG = 1.0  # seconds between the words of a stream that has no end
_SAID = "The page says so and there is nothing to add to it."
_MARK = re.compile(rb"\[\[(\d+) rounds, (\d+) calls\]\]")
_serial = count(1)


def play(request: Request) -> Answer:
    """What the provider answers."""
    match request.model.removesuffix(SLOWLY):
        case "talks":
            return _says(request, _paced(request))
        case "thinks":
            return _says(request, thought("Let me see."), _paced(request))
        case "looks":
            return _reads(request, rounds=1, at_once=1)
        case "digs":
            return _reads(request, rounds=2, at_once=2)
        case "hands-over":
            return answer("Open it. ", _mark(request, calls=1), call(CLIENT_TOOL, {"path": "a.txt"}))
        case "lasts":
            return _says(request, [(f"{number} ", delay(_LONG)) for number in range(3600)])
        case "finishes":
            return _says(request, [(f"{number} ", delay(0.1)) for number in range(50)])
        case "ponders":
            return answer("Let me think. ", call("bmcp_shelf_ponder", {"seconds": 3600}))
        case other:
            raise ValueError(f"no script is named {other!r}")


def marked(body: bytes) -> tuple[int, int] | None:
    """The rounds and the calls of which an answer tells at its end."""
    found = _MARK.search(body)
    return (int(found[1]), int(found[2])) if found else None


def _reads(request: Request, *, rounds: int, at_once: int) -> Answer:
    """Calls tools in so many rounds, then answers; at once where none is offered, as just after a restart."""
    done, offered = _rounds_done(request), [name for name in _READERS if name in request.tool_names]
    if done >= rounds or not offered:
        return _says(request, _paced(request))
    return answer("One moment. ", [_call(name, done) for name in offered[:at_once]])


def _call(name: str, done: int) -> Call:
    return call(name, {"page": done}, id=f"call_{done}_{next(_serial):08d}")


def _rounds_done(request: Request) -> int:
    """A call's id bears the number of its round."""
    return len({made.split("_")[1] for made in request.tool_results if made.count("_") == 2})


def _says(request: Request, *parts: object) -> Answer:
    return answer(*parts, _mark(request))  # type: ignore[arg-type]  # what answer() takes


def _mark(request: Request, calls: int = 0) -> str:
    return f" [[{_rounds_done(request) + 1} rounds, {len(request.tool_results) + calls} calls]]"


def _paced(request: Request) -> list[object]:
    pace = _SLOW_PACE if request.model.endswith(SLOWLY) else _PACE
    return [(word, delay(pace)) for word in words(_SAID)]
