"""Chat completions: https://platform.openai.com/docs/api-reference/chat-streaming"""

from __future__ import annotations

from typing import Any

from benchmarks.dialects.base import ARGUMENTS, SYSTEM, USER, WORDS, Dialect, event

_SHARED = (
    b'"id":"chatcmpl-CZq1v8mXw3Kd0TfYb5LrNhPsUo7J","object":"%b","created":1780000000,'
    b'"model":"gpt-5-mini","system_fingerprint":"fp_4c2851f862"'
)
_CHUNK = _SHARED % b"chat.completion.chunk"
_USAGE = (
    b'"usage":{"prompt_tokens":412,"completion_tokens":200,"total_tokens":612,'
    b'"prompt_tokens_details":{"cached_tokens":256,"audio_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":64,"audio_tokens":0,'
    b'"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'
)


class ChatCompletions(Dialect):
    """Chunks of about 250 bytes."""

    name = "chat_completions"
    path = "/v1/chat/completions"
    headers = "authorization: Bearer sk-of-the-client\r\nuser-agent: AsyncOpenAI/Python 3.51.0\r\n"
    events = 4
    last = b"[DONE]"
    call_mark = b'"tool_calls"'
    result_mark = b'"role":"tool"'

    def asked(self, *, streaming: bool) -> dict[str, Any]:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}]
        stream = {"stream": True, "stream_options": {"include_usage": True}} if streaming else {}
        return {"messages": messages, "temperature": 0.2, **stream}

    def answer(self) -> bytes:
        message = b'{"role":"assistant","content":"%b","refusal":null,"annotations":[]}' % WORDS
        choice = b'{"index":0,"message":%b,"logprobs":null,"finish_reason":"stop"}' % message
        return b'{%b,"choices":[%b],%b}' % (_SHARED % b"chat.completion", choice, _USAGE)

    def opening(self) -> bytes:
        return _chunk(b'{"role":"assistant","content":"","refusal":null}')

    def text(self, words: bytes, number: int) -> bytes:
        return _chunk(b'{"content":"%b"}' % words)

    def ending(self, count: int) -> bytes:
        return _end(b'"stop"')

    def call(self, name: bytes) -> bytes:
        function = b'{"name":"%b","arguments":"%b"}' % (name, ARGUMENTS)
        call = b'{"index":0,"id":"call_Jx81mPq","type":"function","function":%b}' % function
        return self.opening() + _chunk(b'{"tool_calls":[%b]}' % call) + _end(b'"tool_calls"')


def _chunk(delta: bytes, finish: bytes = b"null") -> bytes:
    choice = b'{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}' % (delta, finish)
    return event(b'{%b,"choices":[%b]}' % (_CHUNK, choice))


def _end(finish: bytes) -> bytes:
    """The finish, the usage and the terminator."""
    return _chunk(b"{}", finish) + event(b'{%b,"choices":[],%b}' % (_CHUNK, _USAGE)) + event(b"[DONE]")
