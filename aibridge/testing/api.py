"""The public names, all together; `aibridge.testing` imports them from here when one of them is first used."""

from aibridge.testing.answers import (
    Answer,
    Call,
    Usage,
    answer,
    call,
    commentary,
    grouped,
    redacted_thought,
    thought,
    web_search,
    words,
)
from aibridge.testing.behaviour import Behaviour, Handler
from aibridge.testing.chat import DONE, finish_chunk, text_chunks, tool_call_chunks, usage_chunk
from aibridge.testing.dialect import Misuse
from aibridge.testing.fake_anthropic import FakeAnthropic
from aibridge.testing.fake_openai import FakeOpenAI
from aibridge.testing.fault import Fault
from aibridge.testing.gate import Gate
from aibridge.testing.prepared import prepare
from aibridge.testing.replies import (
    Chunks,
    Completion,
    Error,
    Given,
    Reply,
    chunks,
    completion,
    error,
    overloaded,
    rate_limited,
    reply,
)
from aibridge.testing.request import Request
from aibridge.testing.serve import serving, serving_in_thread
from aibridge.testing.steps import comment, delay, disconnect, error_event, head, ping, raw, truncate, wait
from aibridge.testing.view import View

__all__ = [
    "DONE",
    "Answer",
    "Behaviour",
    "Call",
    "Chunks",
    "Completion",
    "Error",
    "FakeAnthropic",
    "FakeOpenAI",
    "Fault",
    "Gate",
    "Given",
    "Handler",
    "Misuse",
    "Reply",
    "Request",
    "Usage",
    "View",
    "answer",
    "call",
    "chunks",
    "comment",
    "commentary",
    "completion",
    "delay",
    "disconnect",
    "error",
    "error_event",
    "finish_chunk",
    "grouped",
    "head",
    "overloaded",
    "ping",
    "prepare",
    "rate_limited",
    "raw",
    "redacted_thought",
    "reply",
    "serving",
    "serving_in_thread",
    "text_chunks",
    "thought",
    "tool_call_chunks",
    "truncate",
    "usage_chunk",
    "wait",
    "web_search",
    "words",
]
