"""Anthropic messages: https://docs.anthropic.com/en/docs/build-with-claude/streaming"""

from __future__ import annotations

from typing import Any

from benchmarks.dialects.base import ARGUMENTS, SYSTEM, USER, WORDS, Dialect, event

_USAGE = (
    b'{"input_tokens":156,"cache_creation_input_tokens":0,"cache_read_input_tokens":256,'
    b'"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},'
    b'"output_tokens":%d,"service_tier":"standard"}'
)
_MESSAGE = (
    b'{"model":"claude-sonnet-4-5","id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant",'
    b'"content":[%b],"stop_reason":%b,"stop_sequence":null,"usage":%b}'
)


class Messages(Dialect):
    """Events of about 130 bytes."""

    name = "messages"
    path = "/v1/messages"
    headers = (
        "x-api-key: sk-ant-a-client\r\nanthropic-version: 2023-06-01\r\nuser-agent: AsyncAnthropic/Python 0.99.0\r\n"
    )
    events = 6
    last = b'{"type":"message_stop"'
    call_mark = b'"tool_use"'
    result_mark = b'"tool_result"'

    def asked(self, *, streaming: bool) -> dict[str, Any]:
        stream = {"stream": True} if streaming else {}
        return {"max_tokens": 4096, "system": SYSTEM, "messages": [{"role": "user", "content": USER}], **stream}

    def answer(self) -> bytes:
        return _MESSAGE % (b'{"type":"text","text":"%b"}' % WORDS, b'"end_turn"', _USAGE % 200)

    def opening(self) -> bytes:
        return _begun() + _block(0, b'{"type":"text","text":""}') + _event(b"ping")

    def text(self, words: bytes, number: int) -> bytes:
        return _delta(0, b'{"type":"text_delta","text":"%b"}' % words)

    def ending(self, count: int) -> bytes:
        return _end(b"end_turn")

    def call(self, name: bytes) -> bytes:
        start = _block(0, b'{"type":"tool_use","id":"toolu_01T1x1fJ34qAmk2tNTrN7Up6","name":"%b","input":{}}' % name)
        pieces = [_delta(0, b'{"type":"input_json_delta","partial_json":"%b"}' % piece) for piece in (b"", ARGUMENTS)]
        return b"".join((_begun(), start, *pieces, _end(b"tool_use")))


def _begun() -> bytes:
    return _event(b"message_start", b'"message":' + _MESSAGE % (b"", b"null", _USAGE % 1))


def _block(index: int, content: bytes) -> bytes:
    return _event(b"content_block_start", b'"index":%d,"content_block":%b' % (index, content))


def _delta(index: int, delta: bytes) -> bytes:
    return _event(b"content_block_delta", b'"index":%d,"delta":%b' % (index, delta))


def _end(reason: bytes) -> bytes:
    delta = b'"delta":{"stop_reason":"%b","stop_sequence":null},"usage":{"output_tokens":200}' % reason
    return _event(b"content_block_stop", b'"index":0') + _event(b"message_delta", delta) + _event(b"message_stop")


def _event(kind: bytes, members: bytes = b"") -> bytes:
    return event(b'{"type":"%b"%b}' % (kind, b"," + members if members else b""), kind)
