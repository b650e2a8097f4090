"""What the scripted provider says, as the bytes it sends: chat completions as real ones look."""

from __future__ import annotations

import re
from collections.abc import Sequence

CHUNK_SECONDS = 0.01
"""How far apart the chunks of a paced stream are."""

FIRST_TOKEN_SECONDS = 0.005
"""How long a `first` stream keeps its only token back: long enough for every process on the way to fall asleep."""

END = b"0\r\n\r\n"
"""The end of a body in chunks."""

_SHARED = (
    b'"id":"chatcmpl-CZq1v8mXw3Kd0TfYb5LrNhPsUo7J","object":"%b","created":1780000000,'
    b'"model":"gpt-5-mini","system_fingerprint":"fp_4c2851f862"'
)
_USAGE = (
    b'"usage":{"prompt_tokens":412,"completion_tokens":200,"total_tokens":612,'
    b'"prompt_tokens_details":{"cached_tokens":256,"audio_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":64,"audio_tokens":0,'
    b'"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"x-request-id: req_5f2d7c1f0a\r\nopenai-processing-ms: 12\r\ntransfer-encoding: chunked\r\n\r\n"
)


def completion() -> bytes:
    """A whole response that is no stream: an answer of about 200 tokens."""
    text = b" and so the answer goes on" * 32
    body = (
        b"{"
        + _SHARED % b"chat.completion"
        + b',"choices":[{"index":0,"message":{"role":"assistant","content":"%b","refusal":null,"annotations":[]},'
        % text
        + b'"logprobs":null,"finish_reason":"stop"}],%b}' % _USAGE
    )
    return _json_head(b"200 OK", body) + body


def refusal(message: str) -> bytes:
    """A whole response to a request that the script has no answer to."""
    body = b'{"error":{"message":"%b","type":"invalid_request_error"}}' % message.encode()
    return _json_head(b"400 Bad Request", body) + body


def head() -> bytes:
    """The start of a stream."""
    return _STREAM_HEAD


def text(words: bytes) -> bytes:
    """A chunk with some words, about 250 bytes."""
    return _chunk(b'{"content":"%b"}' % words)


def texts(count: int) -> list[bytes]:
    """So many chunks of text."""
    return [text(b" word%d" % number) for number in range(count)]


def call(name: bytes) -> bytes:
    """A chunk with a whole tool call."""
    function = b'{"name":"%b","arguments":"{\\"text\\":\\"hello\\"}"}' % name
    return _chunk(b'{"tool_calls":[{"index":0,"id":"call_Jx81mPq","type":"function","function":%b}]}' % function)


def finish(reason: bytes = b"stop") -> bytes:
    """What ends a stream: the finish, the usage and the terminator, and the end of the body."""
    usage = _event(b"{" + _SHARED % b"chat.completion.chunk" + b',"choices":[],%b}' % _USAGE)
    return _chunk(b"{}", b'"%b"' % reason) + usage + _event(b"[DONE]") + END


def injected_tool(body: bytes) -> bytes | None:
    """The name of the injected tool that a request offers and the script calls: the one that echoes."""
    found = re.search(rb'"name":\s*"(bmcp_\w+_echo)"', body)
    return found[1] if found else None


def model(body: bytes) -> tuple[bytes, int]:
    """The script that a request asks for by its model, and the number behind its name: `bulk-200`."""
    found = re.search(rb'"model":\s*"([a-z]+)-(\d+)"', body)
    return (found[1], int(found[2])) if found else (b"", 0)


def joined(events: Sequence[bytes]) -> bytes:
    """A whole stream in one piece."""
    return head() + b"".join(events) + finish()


def _chunk(delta: bytes, reason: bytes = b"null") -> bytes:
    choice = b'{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}' % (delta, reason)
    return _event(b"{" + _SHARED % b"chat.completion.chunk" + b',"choices":[%b]}' % choice)


def _event(data: bytes) -> bytes:
    """One event in a chunk of HTTP of its own, as providers send it."""
    event = b"data: %b\n\n" % data
    return b"%x\r\n%b\r\n" % (len(event), event)


def _json_head(status: bytes, body: bytes) -> bytes:
    return (
        b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nx-request-id: req_5f2d7c1f0a\r\n"
        b"openai-processing-ms: 12\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
    )
