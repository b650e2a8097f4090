"""Where the fuzzer begins: the streams, bodies and requests that the tests of every room play."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.dialects.chat import Chat
from tests.dialects.messages import MessagesVoice
from tests.dialects.playing import TIME, Said, Say, Voice
from tests.dialects.responses import ResponsesVoice
from tests.fuzz.lines import HEADERS, METHODS, PATHS
from tests.fuzz.scenes import raw

VOICES: list[Voice] = [Chat(), ResponsesVoice(), MessagesVoice()]
SAYS = [
    Say("It is noon."),
    Say("Let me look. ", (Said("call-1", TIME.name, '{"zone":"UTC"}'),)),
    Say("", (Said("call-1", TIME.name), Said("call-2", "edit", '{"file":"a"}'))),
    Say("Half of", finish="length", usage=None),
    Say("So.", thought="I think."),
]


def seeds(target: str) -> Iterator[bytes]:
    """The first inputs of a target, those that once failed among them."""
    yield from _found(target)
    if target == "sse":
        yield from (bytes([0, 3, 8]) + voice.answer(say, streaming=True) for voice in VOICES for say in SAYS)
    elif target == "requests":
        yield from _requests()
    else:
        (voice,) = (voice for voice in VOICES if voice.name == target)
        yield from _turns(voice)


def _turns(voice: Voice) -> Iterator[bytes]:
    for streaming in (False, True):
        body = voice.request(streaming=streaming)
        last = voice.answer(SAYS[0], streaming=streaming)
        for say in SAYS:
            yield raw(body, voice.answer(say, streaming=streaming), last)
        yield raw(voice.request(streaming=streaming, **voice.forged()), last, tools=False)
    yield raw(voice.request(streaming=True), voice.error_event("It broke."))
    # Built ones: any few bytes make a turn.
    yield from (bytes([0, number, 0, number, *range(number, number + 40)]) for number in range(0, 200, 7))


def _requests() -> Iterator[bytes]:
    for number in range(max(len(PATHS), len(HEADERS), len(METHODS))):
        yield bytes([0, 0, 0, number, 0, number, number, 3, number, number + 1, number + 2, 0, 0, 0, 0, number])
    body = VOICES[0].request(streaming=True)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
    yield bytes([0, 3]) + head % len(body) + body


def _found(target: str) -> Iterator[bytes]:
    """What once failed, kept beside this file."""
    for path in sorted((Path(__file__).with_name("found") / target).glob("*")):
        yield path.read_bytes()
