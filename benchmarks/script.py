"""How the scripted provider is told what to say, and how it says it over HTTP."""

from __future__ import annotations

import re

CHUNK_SECONDS = 0.01
"""How far apart the chunks of a paced stream are."""

SLOTS = 10
"""The moments in that time at which some stream's chunk is due: an event loop's timers are a millisecond apart."""

FIRST_TOKEN_SECONDS = 0.005
"""How long a `first` stream keeps its only token back: long enough for every process on the way to fall asleep."""

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"x-request-id: req_5f2d7c1f0a\r\nopenai-processing-ms: 12\r\ntransfer-encoding: chunked\r\n\r\n"
)
"""The start of a stream."""

END = b"0\r\n\r\n"
"""The end of a body in chunks."""


def whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    """A response that is no stream."""
    return (
        b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nx-request-id: req_5f2d7c1f0a\r\n"
        b"openai-processing-ms: 12\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)
    )


def refusal(message: str) -> bytes:
    """The response to a request that the script has no answer to."""
    return whole(b'{"error":{"message":"%b","type":"invalid_request_error"}}' % message.encode(), b"400 Bad Request")


def model(body: bytes) -> tuple[bytes, int]:
    """The script that a request asks for by its model, and the number behind its name: `bulk-200`."""
    found = re.search(rb'"model":\s*"([a-z]+)-(\d+)"', body)
    return (found[1], int(found[2])) if found else (b"", 0)


def injected_tool(body: bytes) -> bytes | None:
    """The name of the injected tool that a request offers and the script calls: the one that echoes."""
    found = re.search(rb'"name":\s*"(bmcp_\w+_echo)"', body)
    return found[1] if found else None
