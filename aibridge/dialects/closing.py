"""How a stream ends that was not ended with a blank line."""

from __future__ import annotations

from collections.abc import Iterator

from aibridge.dialects.codec import decode
from aibridge.sse import Decoder, Event


def closing(decoder: Decoder) -> Iterator[Event]:
    """The last event with the blank line that it lacks; half an event would only confuse the client."""
    for event in decoder.flush():
        if isinstance(decode(event.data), dict):
            yield event._replace(raw=event.raw.rstrip(b"\r\n") + b"\n\n")
