"""How a stream of Responses ends: well, in an error, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from aibridge.errors import UpstreamError
from tests.dialects.behaviours import shows
from tests.dialects.playing import TIME, Played
from tests.dialects.responses import (
    TOOLS,
    VOICE,
    call,
    hear,
    last,
    lifecycle,
    response,
    said,
    stream,
    told,
    usage,
    words,
)
from tests.dialects.wire import dump, values_of
from tests.twins import Answer

OURS = call("call-1", TIME.name)
ANSWER = told(words("Five.", "msg-2"), id="resp-2", usage=usage(30, 7))
DONE = b"data: [DONE]\n\n"


def types_of(played: Played) -> list[str]:
    return [value["type"] for value in values_of(played.body)]


@shows("late events")
@pytest.mark.parametrize("late", [DONE, b": bye\n\n", b'data: {"type":"response.late"}\n\n'])
def test_what_comes_behind_the_end_goes_out_behind_it(late: bytes) -> None:
    played = hear(told(words("Hi.")) + late)

    assert played.body.endswith(late)
    assert values_of(played.body.removesuffix(late))[-1]["type"] == "response.completed"


@shows("late events")
def test_what_comes_behind_the_end_of_a_hidden_round_is_hidden() -> None:
    played = hear(told(OURS) + DONE, ANSWER)

    assert b"[DONE]" not in played.body
    assert VOICE.heard(played.body, streaming=True).text == "Five."


@shows("cut off")
@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_an_incomplete_response_ends_as_the_provider_ended_it(reason: str) -> None:
    played = hear(told(words("Let"), OURS, status="incomplete", incomplete_details={"reason": reason}, tools=TOOLS))

    assert types_of(played)[-1] == "response.incomplete"
    assert last(played)["incomplete_details"] == {"reason": reason}
    assert [item["type"] for item in last(played)["output"]] == ["message"]
    assert played.toolbox.calls == []
    assert played.outcome.status == "completed"


@shows("in-band error", "no echo")
@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("announced", [True, False])
def test_a_response_that_failed_is_told_once_and_shows_nothing_of_ours(rounds: int, announced: bool) -> None:
    error = {"code": "server_error", "message": "the engine is overloaded"}
    whole = response(words("Hm.", "msg-9"), OURS, status="failed", error=error, id="resp-9", tools=TOOLS)
    events = lifecycle(whole, said(0, whole["output"][0]), said(1, OURS))
    if announced:
        events.insert(-1, {"type": "error", **error, "param": None})
    played = hear(*[told(words("Look. "), OURS)] * (rounds - 1), stream(*events))

    assert types_of(played).count("error") == announced
    assert types_of(played)[-1] == "response.failed"
    assert last(played)["id"] == ("resp-1" if rounds == 2 else "resp-9")
    assert [item["id"] for item in last(played)["output"]] == ["msg-1"] * (rounds - 1) + ["msg-9"]
    assert b"bmcp_srv_city" not in played.body
    assert (played.outcome.status, played.outcome.error_type) == ("failed", "overloaded")
    assert played.outcome.error_message == "the engine is overloaded"
    assert len(played.toolbox.calls) == rounds - 1


@shows("in-band error")
@pytest.mark.parametrize(
    ("sent", "message", "kind"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow down"}, "slow down", "rate_limited"),
        ({"type": "error", "error": {"type": "server_error", "message": "boom"}}, "boom", "unknown"),
        ({"error": {"message": "boom", "code": 500}}, "boom", "unknown"),
        ({"type": "error"}, "the provider failed to answer", "unknown"),
        ({"type": "response.failed", "response": {"error": {"message": "boom"}}}, "boom", "unknown"),
        ({"type": "response.failed"}, "the provider failed to answer", "unknown"),
        ({"type": "response.failed", "response": {"status": "failed"}}, "the provider failed to answer", "unknown"),
    ],
)
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_forms_of_a_providers_error(sent: Any, message: str, kind: str, tools: tuple[Any, ...]) -> None:
    begun = stream(*lifecycle(response())[:2])
    played = hear(begun + b"data: " + dump(sent) + b"\n\n", tools=tools)

    assert (played.outcome.status, played.outcome.error_message) == ("failed", message)
    assert played.outcome.error_type == kind
    assert played.body.count(b"data: ") == 3


def test_of_an_error_told_twice_the_first_words_count() -> None:
    failed = response(status="failed", error={"code": "x", "message": "second"})
    played = hear(stream({"type": "error", "code": "x", "message": "first"}, *lifecycle(failed)[-1:]))

    assert types_of(played) == ["error", "response.failed"]
    assert played.outcome.error_message == "first"


def test_what_comes_behind_an_error_is_not_relayed() -> None:
    played = hear(VOICE.error_event("boom") + b": note\n\n" + told(words("Hi."), OURS)[:900])

    assert played.body == VOICE.error_event("boom")
    assert played.toolbox.calls == []


def test_an_error_that_an_answer_only_mentions_does_not_say_what_kind_it_is() -> None:
    error = {"code": "x", "message": "boom"}
    played = hear(told(words("The server is overloaded."), status="failed", error=error))
    assert played.outcome.error_type == "unknown"


@shows("failure", "in-band error")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_our_own_failure_in_the_form_of_the_dialect(tools: tuple[Any, ...]) -> None:
    begun = stream(*lifecycle(response(tools=TOOLS))[:2])
    played = hear(Answer([begun], cut=UpstreamError("openai closed the connection")), tools=tools)

    error, failed = values_of(played.body)[2:]
    assert error == {
        "type": "error",
        "code": "server_error",
        "message": "openai closed the connection",
        "param": None,
        "sequence_number": 2,
    }
    assert (failed["type"], failed["sequence_number"]) == ("response.failed", 3)
    assert (failed["response"]["id"], failed["response"]["status"]) == ("resp-1", "failed")
    assert failed["response"]["error"] == {"code": "server_error", "message": "openai closed the connection"}
    assert len(failed["response"]["tools"]) == (5 if tools else 6)


@shows("failure")
def test_our_own_failure_in_a_later_round_bears_the_turns_id() -> None:
    begun = stream(*lifecycle(response(id="resp-2"))[:2])
    played = hear(told(words("Look. "), OURS), Answer([begun], cut=UpstreamError("reset")))

    *shown, error, failed = values_of(played.body)
    assert failed["response"]["id"] == "resp-1"
    assert [error["sequence_number"], failed["sequence_number"]] == [len(shown), len(shown) + 1]


@shows("failure")
def test_our_own_failure_before_the_provider_has_said_anything() -> None:
    error, failed = values_of(hear(Answer([b": hello\n\n"], cut=UpstreamError("reset"))).body)

    assert (error["sequence_number"], failed["sequence_number"]) == (0, 1)
    assert failed["response"] == {
        "object": "response",
        "output": [],
        "status": "failed",
        "error": {"code": "server_error", "message": "reset"},
    }


@shows("cut")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_a_cut_behind_the_end_takes_nothing_from_the_answer(tools: tuple[Any, ...]) -> None:
    played = hear(Answer([told(words("Hi."))], cut=UpstreamError("reset")), tools=tools)

    assert played.outcome.status == "completed"
    assert VOICE.heard(played.body, streaming=True).finish == "stop"


def test_a_cut_behind_the_providers_error_adds_nothing_to_it() -> None:
    played = hear(Answer([VOICE.error_event("boom")], cut=UpstreamError("reset")))

    assert played.body == VOICE.error_event("boom")
    assert played.outcome.error_message == "boom"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [0, 1])
def test_a_last_event_without_its_blank_line(end: bytes, size: int) -> None:
    sent = told(words("Hi."), tools=TOOLS)
    played = hear(sent[:-2] + end, size=size)

    assert played.body == hear(sent).body
    assert VOICE.heard(played.body, streaming=True).text == "Hi."


def test_an_error_without_its_blank_line_is_told_whole() -> None:
    assert hear(VOICE.error_event("boom")[:-2]).body == VOICE.error_event("boom")


def test_a_comment_without_its_blank_line_is_not_glued_to_the_end() -> None:
    assert hear(told(words("Hi.")) + b": bye").body == hear(told(words("Hi."))).body
