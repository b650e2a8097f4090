"""Responses: https://platform.openai.com/docs/api-reference/responses-streaming"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.dialects.base import ARGUMENTS, SYSTEM, USER, WORDS, Dialect, event

_RESPONSE = (
    b'{"id":"resp_68af4017aa1c8194b3f20f5e0c9d8a71b2c3d4e5f60718a","object":"response","created_at":1780000000,'
    b'"status":"%b","background":false,"error":null,"incomplete_details":null,"instructions":null,'
    b'"max_output_tokens":null,"max_tool_calls":null,"model":"gpt-5-mini","output":[%b],"parallel_tool_calls":true,'
    b'"previous_response_id":null,"prompt_cache_key":null,"reasoning":{"effort":"medium","summary":null},'
    b'"safety_identifier":null,"service_tier":"auto","store":true,"temperature":1.0,'
    b'"text":{"format":{"type":"text"},"verbosity":"medium"},"tool_choice":"auto","tools":[],"top_logprobs":0,'
    b'"top_p":1.0,"truncation":"disabled","usage":%b,"user":null,"metadata":{}}'
)
_USAGE = (
    b'{"input_tokens":412,"input_tokens_details":{"cached_tokens":256},"output_tokens":200,'
    b'"output_tokens_details":{"reasoning_tokens":64},"total_tokens":612}'
)
_ID = b"msg_68af40171b0c8194a0eb1b5ad4f2b5e50d1b9a3e7c"
_MESSAGE = b'{"id":"%b","type":"message","status":"%%b","content":[%%b],"role":"assistant"}' % _ID
_PART = b'{"type":"output_text","annotations":[],"logprobs":[],"text":"%b"}'
_TEXT_PLACE = b'"item_id":"%b","output_index":0,"content_index":0,' % _ID
_CALL_ID = b"fc_68af40171b0c8194a0eb1b5ad4f2b5e50d1b9a3e7c"
_CALL = (
    b'{"id":"%b","type":"function_call","status":"%%b","arguments":"%%b","call_id":"call_Jx81mPq","name":"%%b"}'
    % _CALL_ID
)
_CALL_PLACE = b'"item_id":"%b","output_index":0,' % _CALL_ID
_OPENING = 4  # events


class Responses(Dialect):
    """Named and numbered events of about 250 bytes."""

    name = "responses"
    path = "/v1/responses"
    headers = "authorization: Bearer sk-of-the-client\r\nuser-agent: AsyncOpenAI/Python 3.51.0\r\n"
    events = _OPENING + 4
    last = b'{"type":"response.completed"'
    call_mark = b'"function_call"'
    result_mark = b'"function_call_output"'

    def asked(self, *, streaming: bool) -> dict[str, Any]:
        stream = {"stream": True} if streaming else {}
        return {"instructions": SYSTEM, "input": USER, **stream}

    def answer(self) -> bytes:
        return _RESPONSE % (b"completed", _said(WORDS), _USAGE)

    def opening(self) -> bytes:
        begun = (b"output_item.added", b'"output_index":0,"item":' + _MESSAGE % (b"in_progress", b""))
        return _events(0, [*_beginnings(), begun, (b"content_part.added", _TEXT_PLACE + b'"part":' + _PART % b"")])

    def text(self, words: bytes, number: int) -> bytes:
        delta = _TEXT_PLACE + b'"delta":"%b","logprobs":[],"obfuscation":"aX9kQ2mZpL0v"' % words
        return _event(_OPENING + number, b"output_text.delta", delta)

    def ending(self, count: int) -> bytes:
        text = b"".join(b" word%d" % number for number in range(count))
        done = [
            (b"output_text.done", _TEXT_PLACE + b'"text":"%b","logprobs":[]' % text),
            (b"content_part.done", _TEXT_PLACE + b'"part":' + _PART % text),
        ]
        return _events(_OPENING + count, [*done, *_ends(_said(text))])

    def call(self, name: bytes) -> bytes:
        whole = _CALL % (b"completed", ARGUMENTS, name)
        made = [
            (b"output_item.added", b'"output_index":0,"item":' + _CALL % (b"in_progress", b"", name)),
            (b"function_call_arguments.delta", _CALL_PLACE + b'"delta":"%b","obfuscation":"aX9k"' % ARGUMENTS),
            (b"function_call_arguments.done", _CALL_PLACE + b'"arguments":"%b"' % ARGUMENTS),
        ]
        return _events(0, [*_beginnings(), *made, *_ends(whole)])


def _said(text: bytes) -> bytes:
    """The message, whole."""
    return _MESSAGE % (b"completed", _PART % text)


def _beginnings() -> list[tuple[bytes, bytes]]:
    begun = b'"response":' + _RESPONSE % (b"in_progress", b"", b"null")
    return [(b"created", begun), (b"in_progress", begun)]


def _ends(item: bytes) -> list[tuple[bytes, bytes]]:
    whole = b'"response":' + _RESPONSE % (b"completed", item, _USAGE)
    return [(b"output_item.done", b'"output_index":0,"item":' + item), (b"completed", whole)]


def _events(first: int, kinds: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(_event(number, kind, members) for number, (kind, members) in enumerate(kinds, first))


def _event(number: int, kind: bytes, members: bytes) -> bytes:
    name = b"response." + kind
    return event(b'{"type":"%b","sequence_number":%d,%b}' % (name, number, members), name)
