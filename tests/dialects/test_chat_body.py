"""Chat completions as one body: what providers send, and what the client gets of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.dialects import body as chat_body
from aibridge.errors import UpstreamError
from aibridge.model import Head, TokenUsage, ToolUsage
from tests.dialects.behaviours import shows
from tests.dialects.chat import Chat, completion, function_call, usage
from tests.dialects.playing import CITY, TIME, UUID, Played, play
from tests.dialects.wire import dump
from tests.twins import Answer

CHAT = Chat()
CALL = dump(completion({"content": "Look. ", "tool_calls": [function_call("call-1", TIME.name)]}, "tool_calls"))


def hear(*rounds: bytes | Answer, **how: Any) -> Played:
    return play(CHAT, CHAT.request(streaming=False), rounds, **how)


def answer(played: Played) -> Any:
    return json.loads(played.body)


@shows("id swap")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_a_single_round_keeps_the_bytes_of_every_member_but_the_id(tools: tuple[Any, ...]) -> None:
    body = (
        b'{ "id" : "resp-1",\n "choices":[ {"index":0,"message":{"role":"assistant",'
        b'"content":"caf\\u00e9 \\ud83d\\ude00",'
        b'"refusal":null,"annotations":[]},"logprobs":-0.0, "finish_reason":"stop"} ], "cost":0.00010,'
        b'"system_fingerprint":"f","usage":{"prompt_tokens":3,"x":1E2}}'
    )
    played = hear(body, tools=tools, size=7)

    assert played.body == (
        b'{"id":"%b",\n "choices":[ {"index":0,"message":{"role":"assistant","content":"caf\\u00e9 \\ud83d\\ude00",'
        b'"refusal":null,"annotations":[]},"logprobs":-0.0, "finish_reason":"stop"} ], "cost":0.00010,'
        b'"system_fingerprint":"f","usage":{"prompt_tokens":3,"x":1E2}}' % UUID.encode()
    )


def test_an_id_that_stands_elsewhere_or_not_alone_is_changed_too() -> None:
    choices = (
        b'"choices":[ {"message":{"role":"assistant","content":"Five.","x":{"id":"inner"}},"finish_reason":"stop"} ]'
    )
    for body in (b'{%b,"id":"resp-1"}' % choices, b'{"id":"resp-1",%b}' % choices, b"{%b}" % choices):
        told = hear(body).body
        assert json.loads(told)["id"] == UUID
        assert choices in told


@pytest.mark.parametrize("odd", [b'"half \\ud83d"', b"NaN"])
def test_what_only_a_lenient_reader_understands_is_written_anew(odd: bytes) -> None:
    message = b'{"role":"assistant","content":"Five.","x":%b}' % odd
    played = hear(b'{"choices":[{"message":%b,"finish_reason":"stop"}],"id":"resp-1"}' % message)

    assert answer(played)["id"] == UUID
    assert answer(played)["choices"][0]["message"]["content"] == "Five."
    assert answer(played)["choices"][0]["message"]["x"] == (None if odd == b"NaN" else "half \ud83d")


@pytest.mark.parametrize("size", [0, 1, 7])
def test_the_pieces_of_a_body_do_not_show(size: int) -> None:
    assert hear(CALL, CALL, CALL, dump(completion({"content": "Five."})), size=size).body == (
        hear(CALL, CALL, CALL, dump(completion({"content": "Five."}))).body
    )


def test_members_of_the_last_round_stay_in_their_order() -> None:
    last = completion({"content": "Five.", "refusal": None}, zeta=1, alpha=[1.5], usage=usage(1, 2))
    played = hear(CALL, dump({**last, "id": "resp-2"}))

    assert list(answer(played)) == list(last)
    assert answer(played)["choices"][0]["message"] == {"role": "assistant", "content": "Look. Five.", "refusal": None}
    assert answer(played)["usage"] == usage(11, 7)


@shows("mixed")
def test_ours_are_taken_out_and_the_rest_is_left() -> None:
    theirs = {**function_call("call-2", "edit"), "x": 1}
    calls = [function_call("call-1", TIME.name), theirs, function_call("call-3", CITY.name)]
    message = {"tool_calls": calls, "refusal": None, "function_call": calls[0]["function"]}
    played = hear(dump(completion(message, "tool_calls")))

    assert answer(played)["choices"][0]["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [theirs],
        "refusal": None,
    }
    assert [usage.tool for usage in played.of(ToolUsage)] == ["edit", "time", "city"]


@pytest.mark.parametrize(
    ("content", "merged"),
    [
        ("Five.", "Look. Five."),
        (None, "Look. "),
        (5, "Look. "),
        ([{"type": "text", "text": "Five."}], [{"type": "text", "text": "Look. "}, {"type": "text", "text": "Five."}]),
    ],
)
def test_words_of_hidden_rounds_come_first(content: Any, merged: Any) -> None:
    played = hear(CALL, dump(completion({"content": content})))
    assert answer(played)["choices"][0]["message"]["content"] == merged


def test_a_last_round_without_a_message_still_has_the_words() -> None:
    played = hear(CALL, dump(completion(choices=[{"index": 0, "finish_reason": "stop", "message": None}])))
    assert answer(played)["choices"][0]["message"] == {"role": "assistant", "content": "Look. "}


@pytest.mark.parametrize(
    "choices",
    [
        [{"index": 0}],
        [None, {"index": 0, "message": {"role": "assistant", "content": "x"}}],
        [{"index": 0, "message": {"role": "assistant", "tool_calls": None}, "finish_reason": ["odd"]}],
        [{"index": 0, "message": {"role": "assistant", "tool_calls": [None, 5]}}],
        [{"index": 0, "message": {"role": "assistant", "tool_calls": [{}]}}],
        [{"index": 0, "message": {"role": "assistant", "tool_calls": []}}],
        [{"index": 0, "message": {"content": "a"}}, {"index": 1, "message": {"content": "b"}}],
    ],
)
def test_odd_but_bearable_answers_pass(choices: Any) -> None:
    played = hear(dump(completion(choices=choices)))

    assert answer(played)["choices"] == choices
    assert played.outcome.status == "completed"


def test_calls_of_ours_are_taken_out_of_every_choice() -> None:
    """One choice was asked for, but not every provider heeds n."""
    both = [
        {"index": number, "message": {"content": None, "tool_calls": [function_call(f"c{number}", TIME.name)]}}
        for number in (0, 1)
    ]
    played = hear(dump(completion(choices=both)), dump(completion({"content": "Five."})))

    assert played.ran == [[("time", {}), ("time", {})]]


@shows("same index")
def test_calls_without_ids_are_told_apart_by_their_place() -> None:
    calls = [function_call("", TIME.name, ""), function_call("", TIME.name, "")]
    played = hear(dump(completion({"tool_calls": calls}, "tool_calls")), dump(completion({"content": "Five."})))

    assert played.ran == [[("time", {}), ("time", {})]]
    assert [call_id for call_id, _ in CHAT.answered(played.requests[1])] == ["call_resp-1_0", "call_resp-1_1"]


@shows("cut")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no JSON object"),
        (b"<html>", "no JSON object"),
        (b"[]", "no JSON object"),
        (b'{"id":"x"}', "it has no 'choices'"),
        (b'{"choices":[]}', "it has no 'choices'"),
        (b'{"choices":5}', "it has no 'choices'"),
        (b'{"choices":{"0":{}}}', "it has no 'choices'"),
        (CALL[:-1], "no JSON object"),
    ],
)
def test_a_success_that_is_no_completion_is_an_error(body: bytes, message: str) -> None:
    played = hear(body)

    assert played.head.status == 502
    assert answer(played)["error"]["message"].startswith("the provider's answer is no ")
    assert answer(played)["error"]["message"].endswith(message)
    assert played.outcome.status == "failed"
    assert len(played.of(TokenUsage)) == 1


@pytest.mark.parametrize(
    ("error", "message", "kind"),
    [
        ({"message": "Overloaded"}, "Overloaded", "overloaded"),
        ("boom", "boom", "unknown"),
        ({"code": "rate limit"}, "the provider answered with an error", "rate_limited"),
    ],
)
def test_an_error_in_a_body_that_claims_success_passes_as_it_came(error: Any, message: str, kind: str) -> None:
    body = b' {"error" : %b}' % dump(error)
    played = hear(body)

    assert (played.head.status, played.body) == (200, body)
    assert (played.outcome.status, played.outcome.error_type) == ("failed", kind)
    assert played.outcome.error_message == message


@shows("body headers")
def test_the_head_goes_with_the_body() -> None:
    headers = ((b"content-type", b"application/json"), (b"content-length", b"999"), (b"x-request-id", b"r"))
    played = hear(Answer([CALL], 200, ((b"x-request-id", b"first"),)), Answer([dump(completion())], 201, headers))

    assert played.head == Head(201, ((b"content-type", b"application/json"), (b"x-request-id", b"r")))


def test_nothing_goes_out_before_the_turn_is_over() -> None:
    played = hear(CALL, dump(completion({"content": "Five."})), size=20)
    assert "send" not in played.timeline[: played.timeline.index("call")]
    assert len(played.client.writes) == 1


def test_an_answer_beyond_the_limit_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_body, "MAX_BODY_BYTES", 100)
    played = hear(b" " * 60 + CALL, size=60)

    assert answer(played)["error"]["message"] == "the provider sent an answer of more than 100 bytes"


def test_an_answer_that_is_cut_is_an_error() -> None:
    played = hear(Answer([CALL], cut=UpstreamError("openai closed the connection")))

    assert (played.head.status, answer(played)["error"]["message"]) == (502, "openai closed the connection")
    assert played.toolbox.calls == []


@shows("usage sum")
@pytest.mark.parametrize("last", [None, {}])
def test_a_last_round_without_usage_shows_that_of_the_others(last: Any) -> None:
    played = hear(CALL, dump(completion({"content": "Five."}, usage=last)))
    assert answer(played)["usage"] == usage(10, 5)


def test_no_usage_at_all_is_left_as_it_is() -> None:
    first = dump(completion({"tool_calls": [function_call("call-1", TIME.name)]}, usage=None))
    last = completion({"content": "Five."})
    del last["usage"]

    assert "usage" not in answer(hear(first, dump(last)))


@pytest.mark.parametrize("id_", [None, 7])
def test_an_answer_without_an_id_gets_ours(id_: Any) -> None:
    played = hear(dump(completion({"content": "x"}, id=id_)))

    assert answer(played)["id"] == UUID
    assert played.of(TokenUsage)[0].response_id is None
