"""JSON and named events as they go over the wire, by other means than ours."""

from __future__ import annotations

import json
from typing import Any


def dump(value: Any) -> bytes:
    """Compact JSON, by another encoder than ours."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def event(value: dict[str, Any]) -> bytes:
    """An event that is named after its type."""
    return b"event: %b\ndata: %b\n\n" % (value["type"].encode(), dump(value))


def stream(*values: dict[str, Any]) -> bytes:
    return b"".join(map(event, values))


def values_of(body: bytes) -> list[dict[str, Any]]:
    """The JSON of each event, by the plainest of readers; each bears its type as its name."""
    values = []
    *blocks, rest = body.split(b"\n\n")
    assert rest == b"", "the last event has no end"
    for block in blocks:
        lines = [line for line in block.split(b"\n") if line and not line.startswith(b":")]
        if lines:
            name, data = lines
            value = json.loads(data.removeprefix(b"data: "))
            assert name == b"event: " + value["type"].encode()
            values.append(value)
    return values


def parsed(text: str) -> Any:
    """A call's arguments; where they are no JSON their text itself, as a provider would have to tell them."""
    try:
        return json.loads(text or "{}", parse_constant=lambda _: json.loads(""))
    except ValueError:
        return text if text.strip() else {}
