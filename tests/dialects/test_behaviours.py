"""The same scripts over every dialect and both modes; and the list of behaviours against the tests beside this one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from aibridge.errors import UpstreamError, UpstreamTimeout
from aibridge.model import Head, PromptRecord, Text, TokenUsage, ToolResult, ToolUsage
from tests.dialects.behaviours import BEHAVIOURS, shows
from tests.dialects.chat import Chat
from tests.dialects.messages import MessagesVoice
from tests.dialects.playing import CITY, RESULTS, TIME, Heard, Played, Said, Say, Stage, Voice, perform, play
from tests.dialects.responses import ResponsesVoice
from tests.twins import Answer, run

VOICES: list[Voice] = [Chat(), ResponsesVoice(), MessagesVoice()]

OURS = Said("call-1", TIME.name)
ALSO_OURS = Said("call-2", CITY.name, '{"lat":59.9,"lon":10.7}')
THEIRS = Said("call-3", "edit_file", '{"path":"a b.txt"}')
ANSWER = Say("It is five.", usage=(30, 7), id="resp-2")


@pytest.fixture(params=VOICES, ids=lambda voice: voice.name)
def voice(request: pytest.FixtureRequest) -> Voice:
    voice: Voice = request.param
    return voice


@pytest.fixture(params=[True, False], ids=["streaming", "blocking"])
def streaming(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class Script:
    """One voice in one mode."""

    def __init__(self, voice: Voice, streaming: bool) -> None:
        self.voice = voice
        self.streaming = streaming

    def body(self, **members: Any) -> bytes:
        return self.voice.request(streaming=self.streaming, **members)

    def bytes(self, say: Say) -> bytes:
        return self.voice.answer(say, streaming=self.streaming)

    def play(self, *rounds: Say | Answer | UpstreamError, members: dict[str, Any] | None = None, **how: Any) -> Played:
        answers = [self.bytes(item) if isinstance(item, Say) else item for item in rounds]
        return play(self.voice, self.body(**(members or {})), answers, **how)

    def heard(self, played: Played) -> Heard:
        return self.voice.heard(played.body, streaming=self.streaming)

    def ids(self, first: str = "resp-1") -> frozenset[str]:
        """The ids that the client sees of a turn."""
        return frozenset([self.voice.known_as(first)])

    def choices(self, played: Played) -> list[Any]:
        return [self.voice.choice(request) for request in played.requests]


@pytest.fixture
def script(voice: Voice, streaming: bool) -> Script:
    return Script(voice, streaming)


def calls(played: Played) -> list[tuple[str, bool, str | None]]:
    """The calls on record: tool, whether it was ours, what went wrong."""
    return [(record.tool, record.injected, record.error) for record in played.of(ToolUsage)]


# Rounds.


@shows("one message")
def test_an_answer_in_words_is_one_round(script: Script) -> None:
    played = script.play(Say("Hello there."))

    assert script.heard(played) == Heard("Hello there.", (), "stop", (10, 5), script.ids())
    assert played.outcome.status == "completed"
    assert played.outcome.rounds == 1
    assert played.toolbox.calls == []


@shows("one message", "usage sum", "one token record", "prompt once")
def test_an_injected_call_is_run_and_the_client_sees_one_message(script: Script) -> None:
    played = script.play(Say("Let me look. ", (OURS,)), ANSWER)

    expected = Heard("Let me look. It is five.", (), "stop", (40, 12), script.ids())
    assert script.heard(played) == expected
    assert played.ran == [[("time", {})]]
    assert script.voice.answered(played.requests[1]) == [("call-1", "17:00")]
    assert [(usage.response_id, usage.input, usage.output) for usage in played.of(TokenUsage)] == [
        ("resp-1", 10, 5),
        ("resp-2", 30, 7),
    ]
    assert played.of(PromptRecord) == [PromptRecord("What time is it?", "resp-1")]


def test_the_record_of_a_call_names_tool_server_and_response(script: Script) -> None:
    played = script.play(Say(calls=(ALSO_OURS,)), ANSWER)

    [record] = played.of(ToolUsage)
    assert (record.tool, record.server, record.server_url) == ("city", "srv", "http://srv")
    assert (record.call_id, record.response_id, record.input) == ("call-2", "resp-1", b'{"lat":59.9,"lon":10.7}')
    assert (record.injected, record.error) == (True, None)


@shows("together")
def test_parallel_calls_run_together_and_are_answered_in_their_order(script: Script) -> None:
    played = script.play(Say(calls=(ALSO_OURS, OURS)), ANSWER)

    assert played.ran == [[("city", {"lat": 59.9, "lon": 10.7}), ("time", {})]]
    assert script.voice.answered(played.requests[1]) == [("call-2", "Oslo"), ("call-1", "17:00")]
    assert calls(played) == [("city", True, None), ("time", True, None)]


@shows("one token record")
def test_the_tokens_of_a_round_are_those_of_the_model_that_answered(script: Script) -> None:
    played = script.play(Say(calls=(OURS,)), ANSWER, members={"model": "asked-for"})
    answered = "claude-x" if script.voice.name == "messages" else "gpt-x"
    assert [usage.model for usage in played.of(TokenUsage)] == [answered] * 2


@shows("usage sum", "one token record")
def test_three_rounds_are_one_turn(script: Script) -> None:
    played = script.play(Say("One. ", (OURS,)), Say("Two. ", (ALSO_OURS,), id="resp-2"), Say("Three.", id="resp-3"))

    assert script.heard(played) == Heard("One. Two. Three.", (), "stop", (30, 15), script.ids())
    assert script.voice.answered(played.requests[2]) == [("call-1", "17:00"), ("call-2", "Oslo")]
    assert [usage.response_id for usage in played.of(TokenUsage)] == ["resp-1", "resp-2", "resp-3"]


@shows("mixed")
@pytest.mark.parametrize("order", [(OURS, THEIRS), (THEIRS, OURS), (OURS, THEIRS, ALSO_OURS)])
def test_a_mixed_round_runs_ours_and_ends_with_the_clients_calls(script: Script, order: tuple[Said, ...]) -> None:
    played = script.play(Say("Both. ", order))

    heard = script.heard(played)
    assert (heard.text, heard.calls, heard.finish) == ("Both. ", (THEIRS,), "tool_calls")
    assert played.outcome.status == "completed"
    assert len(played.requests) == 1
    assert [name for name, _ in played.ran[0]] == [
        {OURS: "time", ALSO_OURS: "city"}[call] for call in order if call is not THEIRS
    ]
    assert sorted(calls(played)) == sorted(
        [("edit_file", False, None), *((name, True, None) for name, _ in played.ran[0])]
    )


def test_two_client_calls_pass_untouched(script: Script) -> None:
    other = Said("call-4", "run", "{}")
    played = script.play(Say(calls=(THEIRS, other)))

    assert script.heard(played).calls == (THEIRS, other)
    assert calls(played) == [("edit_file", False, None), ("run", False, None)]
    assert played.toolbox.calls == []


@shows("mixed")
def test_the_clients_calls_are_numbered_as_if_there_were_no_others(script: Script) -> None:
    other = Said("call-4", "run", "{}")
    played = script.play(Say(calls=(OURS, THEIRS, ALSO_OURS, other)))

    assert script.heard(played).calls == (THEIRS, other)  # heard() asserts the numbering


# Arguments and results.


@shows("cut off")
@pytest.mark.parametrize("said", [Said("call-1", TIME.name, '{"zone": "Eur'), OURS])
def test_a_call_cut_off_by_the_token_limit_is_not_run(script: Script, said: Said) -> None:
    played = script.play(Say("Let me", (said,), finish="length"))

    heard = script.heard(played)
    assert (heard.text, heard.calls, heard.finish) == ("Let me", (), "length")
    assert played.toolbox.calls == []
    assert calls(played) == [("time", True, "not run: the answer was cut off in mid-call")]
    assert played.outcome.status == "completed"


def test_a_client_call_that_is_cut_off_is_relayed_as_it_came(script: Script) -> None:
    half = Said("call-3", "edit_file", '{"path": "a')
    played = script.play(Say(calls=(half,), finish="length"))

    assert script.heard(played).calls == (half,)
    assert calls(played) == [("edit_file", False, None)]
    assert played.of(ToolUsage)[0].input == b'"{\\"path\\": \\"a"'


@shows("no object")
@pytest.mark.parametrize("arguments", ['{"zone": ', "[1]", "null", '"text"', "NaN", "{} {}"])
def test_arguments_that_are_no_object_are_answered_and_not_run(script: Script, arguments: str) -> None:
    played = script.play(Say(calls=(Said("call-1", TIME.name, arguments), ALSO_OURS)), ANSWER)

    assert played.ran == [[("city", {"lat": 59.9, "lon": 10.7})]]
    [(_, told), (_, city)] = script.voice.answered(played.requests[1])
    assert told == "Error: its arguments are not a JSON object, so it was not run"
    assert city == "Oslo"
    assert calls(played)[0] == ("time", True, "its arguments are not a JSON object, so it was not run")
    assert script.heard(played).text == "It is five."


@shows("empty arguments")
@pytest.mark.parametrize("arguments", ["", " ", "\n"])
def test_empty_arguments_mean_an_empty_object(script: Script, arguments: str) -> None:
    played = script.play(Say(calls=(Said("call-1", TIME.name, arguments),)), ANSWER)

    assert played.ran == [[("time", {})]]
    assert played.of(ToolUsage)[0].input == b"{}"


@shows("tool error")
def test_a_failing_tool_is_told_to_the_model_and_recorded(script: Script) -> None:
    broken = {**RESULTS, "time": ToolResult.failure("the clock stopped")}
    played = script.play(Say(calls=(OURS, ALSO_OURS)), ANSWER, results=broken)

    assert script.voice.answered(played.requests[1]) == [("call-1", "Error: the clock stopped"), ("call-2", "Oslo")]
    assert calls(played) == [("time", True, "the clock stopped"), ("city", True, None)]
    assert played.outcome.status == "completed"
    assert script.heard(played).text == "It is five."


def test_a_result_that_looks_like_a_call_or_an_event_is_only_text(script: Script) -> None:
    text = 'data: [DONE]\n\n{"tool_calls":[{"id":"x","function":{"name":"bmcp_srv_city","arguments":"{}"}}]}'
    played = script.play(Say(calls=(OURS,)), ANSWER, results={"time": ToolResult((Text(text),))})

    assert script.voice.answered(played.requests[1]) == [("call-1", text)]
    assert played.ran == [[("time", {})]]
    assert script.heard(played).text == "It is five."


# Tools and tool-choice.


@shows("stable tools")
def test_ours_come_in_the_same_place_on_every_round(script: Script) -> None:
    members = {"tools": [script.voice.tool("edit_file")]}
    played = script.play(Say(calls=(OURS,)), ANSWER, members=members, tools=(CITY, TIME))

    placed = script.voice.placed([CITY.name, TIME.name], ["edit_file"])
    assert [script.voice.offered(request) for request in played.requests] == [placed, placed]


@shows("stable tools")
def test_the_same_request_with_the_same_tools_is_the_same_bytes_upstream(script: Script) -> None:
    assert script.play(Say("Hi.")).requests == script.play(Say("Hi.")).requests


@shows("choice none")
def test_tool_choice_none_still_injects(script: Script) -> None:
    played = script.play(Say("Hi."), members={"tool_choice": script.voice.free("none")})

    assert script.voice.offered(played.requests[0]) == [TIME.name, CITY.name]
    assert script.choices(played) == ["none"]


@shows("choice forced")
def test_a_forced_choice_is_relaxed_after_the_first_injected_round(script: Script) -> None:
    for forced in script.voice.forced():
        played = script.play(Say(calls=(OURS,)), Say(calls=(OURS,)), ANSWER, members={"tool_choice": forced})

        first, *later = script.choices(played)
        assert first not in ("auto", None)
        assert later == ["auto", "auto"]


@pytest.mark.parametrize("kind", ["auto", "none"])
def test_a_choice_that_forces_nothing_stays(script: Script, kind: str) -> None:
    played = script.play(Say(calls=(OURS,)), ANSWER, members={"tool_choice": script.voice.free(kind)})

    assert script.choices(played) == [kind, kind]


@shows("last round")
def test_on_the_last_permitted_round_the_model_must_answer_in_words(script: Script) -> None:
    played = script.play(Say(calls=(OURS,)), Say(calls=(OURS,)), ANSWER, max_rounds=3)

    assert script.choices(played) == ["auto", "auto", "none"]
    assert script.voice.offered(played.requests[2]) == [TIME.name, CITY.name]  # still there, for the cache
    assert played.outcome.status == "completed"


def test_a_single_permitted_round_is_the_last_one(script: Script) -> None:
    assert script.choices(script.play(Say("Hi."), max_rounds=1)) == ["none"]


def test_without_tools_of_ours_the_last_round_is_like_any_other(script: Script) -> None:
    assert script.choices(script.play(Say("Hi."), max_rounds=1, tools=())) == ["auto"]


@shows("bounded")
def test_a_model_that_never_stops_calling_is_stopped(script: Script) -> None:
    played = script.play(*[Say("Again. ", (OURS,))] * 9, max_rounds=3)

    assert len(played.requests) == 3
    assert len(played.ran) == 2
    assert script.heard(played).error == "the model went on calling tools after 3 rounds (tools.max_rounds)"
    assert (played.outcome.status, played.outcome.error_type) == ("failed", "tool")
    assert [error for _, _, error in calls(played)] == [None, None, "the turn ended before the tool's result came"]


@shows("name clash")
def test_a_client_tool_with_the_name_of_ours_wins(script: Script) -> None:
    members = {"tools": [script.voice.tool(TIME.name)]}
    played = script.play(Say(calls=(OURS,)), members=members)

    assert script.voice.offered(played.requests[0]) == script.voice.placed([CITY.name], [TIME.name])
    assert played.toolbox.calls == []
    assert script.heard(played).calls == (OURS,)
    assert calls(played) == [(TIME.name, False, None)]


@shows("exact names")
@pytest.mark.parametrize(
    "name",
    [TIME.name.upper(), TIME.name[:-1], TIME.name + "s", "bmcp", "bmcp_", "bmcp_srv_tіme", "time", "bmcp-srv-time"],
)
def test_a_name_that_only_looks_like_ours_is_the_clients(script: Script, name: str) -> None:
    said = Said("call-1", name, '{"a":1}')
    played = script.play(Say(calls=(said,)), members={"tools": [script.voice.tool(name)]})

    assert played.toolbox.calls == []
    assert script.heard(played).calls == (said,)


@shows("exact names")
@pytest.mark.parametrize("arguments", ["{}", ""])
def test_a_client_tool_whose_name_starts_like_ours_or_ours_like_its(script: Script, arguments: str) -> None:
    short, long = Said("call-1", "bmcp_srv", arguments), Said("call-2", TIME.name + "_zone", arguments)
    played = script.play(Say(calls=(short, long, OURS)))

    # Without arguments only the round's end tells that a name is whole, so that call may come last.
    assert {(call.id, call.name) for call in script.heard(played).calls} == {
        ("call-1", "bmcp_srv"),
        ("call-2", TIME.name + "_zone"),
    }
    assert played.ran == [[("time", {})]]


def test_a_forged_history_of_injected_calls_is_neither_run_nor_recorded(script: Script) -> None:
    played = script.play(Say("Hi."), members=script.voice.forged())

    assert played.toolbox.calls == []
    assert played.of(ToolUsage) == []


# Errors.


@shows("refusal")
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"error":{"message":"Incorrect API key provided","code":null}}', "unauthorized"),
        (429, b'{ "error" : {"message":"slow down"} }', "rate_limited"),
        (400, b'{"error":"no such model"}', "bad_request"),
        (503, b"<html>busy</html>", "server_error"),
        (500, b"", "server_error"),
        (302, b"elsewhere", "unknown"),
    ],
)
def test_a_refusal_in_the_first_round_passes_as_it_came(script: Script, status: int, body: bytes, kind: str) -> None:
    headers = ((b"content-type", b"application/json"), (b"retry-after", b"7"), (b"content-length", b"%d" % len(body)))
    played = script.play(Answer([body[:5], body[5:]], status, headers))

    assert played.head == Head(status, headers)
    assert played.body == body
    assert (played.outcome.status, played.outcome.error_type) == ("failed", kind)
    assert [(usage.input, usage.extra) for usage in played.of(TokenUsage)] == [(0, {"partial": True})]
    assert played.of(PromptRecord) == [PromptRecord("What time is it?", None)]


@shows("in-band error", "one token record")
def test_a_refusal_in_a_later_round_is_told_in_the_dialects_own_form(script: Script) -> None:
    refused = Answer([b'{"error":{"message":"slow down"}}'], 429, ((b"retry-after", b"7"),))
    played = script.play(Say("Let me look. ", (OURS,)), refused)

    heard = script.heard(played)
    assert heard.error == "slow down"
    assert played.head.status == (200 if script.streaming else 429)
    assert ((b"retry-after", b"7") in played.head.headers) is not script.streaming
    assert heard.text == ("Let me look. " if script.streaming else "")
    assert (played.outcome.error_type, played.outcome.error_message) == ("rate_limited", "slow down")
    assert ["partial" in usage.extra for usage in played.of(TokenUsage)] == [False, True]


@shows("one token record")
@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [(UpstreamError("refused the connection"), 502, "server_error"), (UpstreamTimeout("too slow"), 504, "timeout")],
)
def test_no_response_at_all_is_an_error_of_ours(script: Script, error: UpstreamError, status: int, kind: str) -> None:
    played = script.play(error)

    assert played.head.status == status
    assert (b"content-type", b"application/json") in played.head.headers
    assert script.voice.heard(played.body, streaming=False).error == error.message
    assert (played.outcome.error_type, played.outcome.error_message) == (kind, error.message)
    assert len(played.of(TokenUsage)) == 1


def test_no_response_in_a_later_round(script: Script) -> None:
    played = script.play(Say("Let me look. ", (OURS,)), UpstreamError("reset"))

    assert script.heard(played).error == "reset"
    assert calls(played) == [("time", True, None)]
    assert len(played.of(TokenUsage)) == 2


@shows("cut")
@pytest.mark.parametrize("pieces", [[], [b""], [b": hello\n\n"], [b"\n\n"]])
def test_a_success_that_says_nothing_is_an_error(script: Script, pieces: list[bytes]) -> None:
    played = script.play(Answer(pieces))

    assert played.outcome.status == "failed"
    body = played.body.replace(b": hello\n\n", b"").lstrip(b"\n")
    assert script.voice.heard(body, streaming=script.streaming).error


@shows("cut", "one token record")
@pytest.mark.parametrize("cut", [None, UpstreamError("openai closed the connection")])
def test_an_answer_that_is_cut_is_an_error_wherever_it_is_cut(script: Script, cut: UpstreamError | None) -> None:
    whole = script.bytes(Say("Hello there, you.", (OURS, THEIRS)))
    for at in range(0, script.voice.ending(whole, streaming=script.streaming), 7):
        played = script.play(Answer([whole[:at]], cut=cut))

        heard = script.heard(played)
        assert heard.error
        assert not cut or heard.error == cut.message
        assert played.outcome.status == "failed"
        assert played.toolbox.calls == []
        assert len(played.of(TokenUsage)) == 1
        assert len(played.of(PromptRecord)) == 1
        assert "Hello there, you.".startswith(heard.text)


@shows("in-band error")
def test_a_providers_error_in_the_stream_is_relayed_once(voice: Voice) -> None:
    script = Script(voice, True)
    whole = script.bytes(Say("Hello there.", (OURS,)))
    begun, error = whole[: whole.index(b"\n\n", 300) + 2], voice.error_event("the engine is overloaded")
    played = script.play(Answer([begun, error, whole], cut=UpstreamError("closed")))

    assert played.body.count(error) == played.body.count(b"overloaded") == 1
    assert script.heard(played).error == "the engine is overloaded"
    assert (played.outcome.status, played.outcome.error_type) == ("failed", "overloaded")
    assert played.toolbox.calls == []
    assert len(played.of(TokenUsage)) == 1


# Time.


@shows("one message", "early head")
def test_text_and_head_go_out_before_the_tool_runs(voice: Voice) -> None:
    script = Script(voice, True)
    sent: list[bytes] = []

    def watch(event: str) -> None:
        if event == "call":
            sent.extend(stage.client.writes)
            assert stage.client.heads

    rounds = [Answer([script.bytes(Say("Let me look.", (OURS,)))]), Answer([script.bytes(ANSWER)])]
    stage = Stage(voice.exchange(script.body(), (TIME,)), rounds, (TIME,), watch=watch)
    perform(stage)

    assert b'"Let"' in b"".join(sent)


@shows("early head")
def test_the_head_does_not_wait_for_the_first_word(voice: Voice) -> None:
    played = Script(voice, True).play(Say("Hi."))

    assert played.timeline[:3] == ["open", "send", "read"]
    assert dict(played.head.headers)[b"content-type"] == b"text/event-stream"


def test_what_came_together_is_one_write(voice: Voice) -> None:
    played = Script(voice, True).play(Say("Hello there."))

    assert len(played.client.writes) == 2  # what came in one read, and the end


class ClientGone(BaseException):
    """As a cancellation comes: through whatever is being awaited."""


@shows("client gone")
def test_wherever_the_client_leaves_each_record_is_kept_once(script: Script) -> None:
    rounds = [Say("Both. ", (OURS, ALSO_OURS)), Say("More. ", (ALSO_OURS, THEIRS), id="resp-2")]
    whole = play(script.voice, script.body(), [script.bytes(item) for item in rounds], size=50)
    for moment in range(len(whole.timeline)):
        played = _left(script, rounds, moment)

        usages, tools = played.of(TokenUsage), played.of(ToolUsage)
        assert len(played.of(PromptRecord)) == 1
        assert len(usages) == played.outcome.rounds == whole.timeline[: moment + 1].count("open")
        assert len({(usage.response_id, usage.call_id) for usage in tools}) == len(tools)
        if "call" in whole.timeline[:moment]:
            assert {usage.call_id for usage in tools} >= {"call-1", "call-2"}


def _left(script: Script, rounds: list[Say], moment: int) -> Played:
    happened = 0

    def watch(event: str) -> None:
        nonlocal happened
        happened += 1
        if happened == moment + 1:
            raise ClientGone

    answers = [Answer([data[at : at + 50] for at in range(0, len(data), 50)]) for data in map(script.bytes, rounds)]
    stage = Stage(script.voice.exchange(script.body(), (TIME, CITY)), answers, (TIME, CITY), watch=watch)
    with pytest.raises(ClientGone):
        run(stage.loop.run(8))
    run(stage.loop.abandon())
    run(stage.loop.abandon())  # once more changes nothing
    return stage.played()


# The list.


def test_every_behaviour_is_shown_by_a_test() -> None:
    """The other way round is held by shows() itself."""
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    shown = {name for names in re.findall(r"^@shows\((.+)\)$", source, re.MULTILINE) for name in names.split('"')[1::2]}

    assert shown == set(BEHAVIOURS)
