"""How a stream of messages goes wrong: in an error, or without its end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.errors import UpstreamError
from tests.dialects.behaviours import shows
from tests.dialects.messages import STOP, VOICE, calling, end, hear, message, start, text, use
from tests.dialects.playing import TIME, UUID, play
from tests.dialects.wire import dump, stream, values_of
from tests.twins import Answer

ANSWER = stream(start(id="resp-2"), *text(0, "Five."), *end(output=7))


@shows("error form", "in-band error")
@pytest.mark.parametrize(
    ("sent", "message", "kind"),
    [
        (
            b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
            "Overloaded",
            "overloaded",
        ),
        (
            b'event: error\ndata: {"type": "error", "error": {"type": "rate_limit_error", "message": "wait"}}\n\n',
            "wait",
            "rate_limited",
        ),
        (b'event: error\r\ndata: {"error":{"message":"boom"}}\r\n\r\n', "boom", "unknown"),
        (b"event: error\ndata: out of memory\n\n", "out of memory", "unknown"),
        (b'event: error\ndata: {"type":"error"}\n\n', '{"type":"error"}', "unknown"),
        (b"event: error\n\n", "the provider answered with an error", "unknown"),
    ],
)
@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_errors_that_providers_send_in_the_stream(
    sent: bytes, message: str, kind: str, size: int, tools: tuple[Any, ...]
) -> None:
    played = hear(stream(start(), *text(0, "Hi.")) + sent + STOP, size=size, tools=tools)

    assert (played.outcome.error_message, played.outcome.error_type) == (message, kind)
    assert played.body == stream(start(id=UUID), *text(0, "Hi.")) + sent


def test_an_error_that_is_not_named_gets_its_name() -> None:
    played = hear(b'data: {"type":"error","error":{"type":"api_error","message":"boom"}}\n\n')
    assert played.body == VOICE.error_event("boom")


def test_an_error_behind_the_stop_reason_is_told() -> None:
    played = hear(stream(start(), *use(0, "c", TIME.name), end("tool_use")[0]) + VOICE.error_event("boom"))

    assert played.body == stream(start(id=UUID)) + VOICE.error_event("boom")
    assert played.toolbox.calls == []


def test_a_cut_behind_the_providers_error_adds_nothing_to_it() -> None:
    played = hear(Answer([VOICE.error_event("boom")], cut=UpstreamError("reset")))

    assert played.body == VOICE.error_event("boom")
    assert played.outcome.error_message == "boom"


@shows("error form")
def test_our_own_error_in_the_form_of_the_dialect() -> None:
    played = hear(Answer([stream(start())], cut=UpstreamError("anthropic closed the connection")))

    assert values_of(played.body)[1:] == [
        {"type": "error", "error": {"type": "api_error", "message": "anthropic closed the connection"}}
    ]


@shows("error form")
@pytest.mark.parametrize("streaming", [True, False])
def test_overloaded_is_529_before_the_answer_has_begun(streaming: bool) -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req-1"}'
    played = play(VOICE, VOICE.request(streaming=streaming), [Answer([body], 529)])

    assert (played.head.status, played.body, played.outcome.error_type) == (529, body, "overloaded")


@shows("error form")
@pytest.mark.parametrize("streaming", [True, False])
def test_overloaded_in_a_later_round(streaming: bool) -> None:
    first = calling(*use(0, "c", TIME.name))
    if not streaming:
        call = {"type": "tool_use", "id": "c", "name": TIME.name, "input": {}}
        first = dump(message(call, stop="tool_use"))
    refused = Answer([b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'], 529)
    played = play(VOICE, VOICE.request(streaming=streaming), [first, refused])

    assert played.head.status == (200 if streaming else 529)
    told = values_of(played.body)[-1] if streaming else json.loads(played.body)
    assert told == {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@shows("cut")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_a_cut_behind_the_stop_takes_nothing_from_the_answer(tools: tuple[Any, ...]) -> None:
    played = hear(Answer([ANSWER], cut=UpstreamError("reset")), tools=tools)

    assert played.outcome.status == "completed"
    assert VOICE.heard(played.body, streaming=True).text == "Five."


@shows("cut")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_a_cut_between_stop_reason_and_stop_is_told(tools: tuple[Any, ...]) -> None:
    played = hear(ANSWER.removesuffix(STOP), tools=tools)

    assert (
        values_of(played.body)[-1]["error"]["message"]
        == "the provider closed the stream before the answer was complete"
    )
    assert played.outcome.status == "failed"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_a_last_event_without_its_blank_line(end: bytes, size: int, tools: tuple[Any, ...]) -> None:
    assert hear(ANSWER[:-2] + end, size=size, tools=tools).body == hear(ANSWER).body


@pytest.mark.parametrize("half", [b": bye", b"event: ping", b'data: {"type":"pi', b'data: {"type":"content_block_st'])
def test_half_an_event_is_glued_to_nothing(half: bytes) -> None:
    assert hear(ANSWER + half).body == hear(ANSWER).body
    assert values_of(hear(stream(start()) + half).body)[1]["type"] == "error"


def test_an_error_without_its_blank_line_is_told_whole() -> None:
    assert hear(VOICE.error_event("boom")[:-2]).body == VOICE.error_event("boom")
