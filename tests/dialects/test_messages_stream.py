"""Streams of messages: what providers send, and what the client may see of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.dialects.messages import Messages
from aibridge.model import ToolUsage
from tests.dialects.behaviours import shows
from tests.dialects.messages import PING, STOP, VOICE, block, calling, end, hear, only, start, text, thinking, use
from tests.dialects.playing import CITY, TIME, UUID, Said
from tests.dialects.wire import event, stream, values_of
from tests.twins import Answer

ANSWER = stream(start(id="resp-2"), *text(0, "Five."), *end(output=7))


# Bytes.


@shows("one start and stop", "untouched")
@pytest.mark.parametrize("size", [0, 1, 7])
@pytest.mark.parametrize("tools", [(), (TIME,)])
@pytest.mark.parametrize(
    "rest",
    [
        stream(*text(0, "Hi."), *end()),
        stream(*text(0, "Hi."), *end()).replace(b"\n", b"\r\n"),
        stream(*thinking(0, "Hm."), *text(1, "Hi."), *use(2, "c", "edit", '{"a"', ":1}"), *end("tool_use")),
        b": note\n\n" + event(PING) + b"id: 7\n" + stream(*end()),
        b"data: {\n\ndata: \xff\n\nevent: x\n\ndata:[1]\n\n" + stream(*text(0, "Hi."), *end()),
        b'event: novel\ndata: { "type" : "novel", "f" : 1.50 }\n\n' + stream(*end()),
        b'event: message_delta\ndata: {"type":"message_delta" , "delta":{"stop_reason":"end_turn"},"f":1.50}\n\n'
        + STOP,
        STOP + event({"type": "late"}),
        b'event: message_stop\ndata: {"type":"message_stop","amazon-bedrock-invocationMetrics":{"f":1.50}}\n\n',
        stream(*end("pause_turn")[:1], *end(output=9)[:1]) + STOP,
    ],
)
def test_all_but_the_start_of_a_single_round_keeps_its_bytes(rest: bytes, tools: tuple[Any, ...], size: int) -> None:
    played = hear(stream(start()) + rest, tools=tools, size=size)

    assert played.body == stream(start(id=UUID)) + rest
    assert played.outcome.status == "completed"


@shows("one start and stop")
def test_the_start_has_our_id_and_else_is_as_it_came() -> None:
    sent = start(x=[1.5, None, {"big": 12345678901234567890123}], context_management=None)
    sent["message"].pop("id")
    played = hear(stream(sent, *end()))

    assert values_of(played.body)[0] == {**sent, "message": {**sent["message"], "id": UUID}}
    assert played.body.count(UUID.encode()) == 1


def test_where_nothing_is_injected_the_end_is_not_kept_back() -> None:
    answers = [stream(start()), stream(end()[0]), STOP]
    played = hear(Answer(answers), tools=())

    assert played.client.writes == [stream(start(id=UUID)), *answers[1:]]


# Rounds.


@shows("one start and stop", "indexes go on", "usage sum", "stop reasons")
def test_three_rounds_are_one_message() -> None:
    first = calling(*thinking(0, "Hm."), *text(1, "One. "), *use(2, "call-1", TIME.name), id="resp-1")
    second = calling(*use(0, "call-2", CITY.name, "{}"), *thinking(1, "Ah."), id="resp-2")
    third = stream(start(id="resp-3"), *text(0, "Three."), *end("stop_sequence", 7, input_tokens=20))
    played = hear(first, second, third)

    assert [(value["type"], value.get("index")) for value in values_of(played.body)] == [
        ("message_start", None),
        *[(value["type"], 0) for value in thinking(0, "Hm.")],
        *[(value["type"], 1) for value in text(1, "One. ")],
        *[(value["type"], 2) for value in thinking(1, "Ah.")],
        *[(value["type"], 3) for value in text(0, "Three.")],
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert only(played, "message_start")["message"]["id"] == UUID
    assert only(played, "message_delta")["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": None}
    assert VOICE.heard(played.body, streaming=True).usage == (40, 17)
    assert b"bmcp" not in played.body


@shows("mixed", "indexes go on")
def test_in_a_mixed_round_the_clients_blocks_are_numbered_as_if_there_were_no_others() -> None:
    events = [
        *use(0, "call-1", TIME.name),
        *text(1, "Both."),
        *use(2, "call-2", CITY.name),
        *use(3, "call-3", "edit", '{"a"', ":1}"),
    ]
    played = hear(calling(*events))

    heard = VOICE.heard(played.body, streaming=True)
    assert (heard.text, heard.calls, heard.finish) == ("Both.", (Said("call-3", "edit", '{"a":1}'),), "tool_calls")
    assert heard.usage == (10, 5)
    assert b"bmcp" not in played.body


@shows("live")
def test_what_the_model_says_goes_out_before_its_round_is_over() -> None:
    begun = stream(start(), *text(0, "Look."))
    played = hear(Answer([begun, stream(*use(1, "call-1", TIME.name), *end("tool_use"))]), ANSWER)

    assert b'"text":"Look."' in played.client.writes[0]
    assert played.timeline.index("send", 2) < played.timeline.index("call")


@shows("pings")
def test_pings_pass_in_every_round() -> None:
    played = hear(stream(start(), PING, *use(0, "c", TIME.name), PING, *end("tool_use")), stream(start(), PING, *end()))
    assert [value["type"] for value in values_of(played.body)].count("ping") == 3


@shows("pings")
def test_what_keeps_a_stream_alive_is_a_ping() -> None:
    assert values_of(Messages.keepalive) == [PING]


@shows("thinking replayed", "results first")
def test_what_was_streamed_is_replayed_whole() -> None:
    citation = {"type": "char_location", "cited_text": "x", "document_index": 0}
    cited = [{"type": "citations_delta", "citation": {**citation, "document_index": at}} for at in (0, 1)]
    played = hear(
        calling(
            *thinking(0, "Hm. ", "sig-0=="),
            *block(1, {"type": "redacted_thinking", "data": "EmwK"}),
            *block(
                2,
                {"type": "text", "text": ""},
                {"type": "text_delta", "text": "Let "},
                *cited,
                {"type": "text_delta", "text": "me."},
            ),
            *text(3, "\n"),
            *block(
                4,
                {"type": "thinking", "thinking": "so", "signature": ""},
                {"type": "signature_delta", "signature": "sig-4=="},
            ),
            *use(5, "srv-1", "web_search", '{"query":', '"x"}', type="server_tool_use"),
            *block(6, {"type": "web_search_tool_result", "tool_use_id": "srv-1", "content": [{"f": 1.5}]}),
            *block(7, {"type": "compaction", "content": None}, {"type": "compaction_delta", "content": "short"}),
            *use(8, "call-1", TIME.name, '{ "z', 'one" : 1.50', " }"),
            *use(9, "call-2", CITY.name),
        ),
        ANSWER,
    )

    [_, assistant, results] = json.loads(played.requests[1])["messages"]
    assert assistant["content"] == [
        {"type": "thinking", "thinking": "Hm. ", "signature": "sig-0=="},
        {"type": "redacted_thinking", "data": "EmwK"},
        {"type": "text", "text": "Let me.", "citations": [citation, {**citation, "document_index": 1}]},
        {"type": "thinking", "thinking": "so", "signature": "sig-4=="},
        {"type": "server_tool_use", "id": "srv-1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srv-1", "content": [{"f": 1.5}]},
        {"type": "compaction", "content": "short"},
        {"type": "tool_use", "id": "call-1", "name": TIME.name, "input": {"zone": 1.5}},
        {"type": "tool_use", "id": "call-2", "name": CITY.name, "input": {}},
    ]
    assert [result["tool_use_id"] for result in results["content"]] == ["call-1", "call-2"]


def test_an_input_that_comes_with_the_start_is_understood() -> None:
    whole = {"type": "tool_use", "id": "call-1", "name": TIME.name, "input": {"zone": "UTC"}}
    played = hear(calling(*block(0, whole)), ANSWER)

    assert played.ran == [[("time", {"zone": "UTC"})]]
    assert json.loads(played.requests[1])["messages"][1]["content"] == [whole]


@pytest.mark.parametrize("other", [{"name": "edit"}, {"id": "call-9"}, {"type": "text"}])
def test_a_call_stays_what_it_began_as(other: dict[str, str]) -> None:
    change = {"type": "content_block_delta", "index": 0, "delta": {"type": "novel_delta", **other}}
    whole = {"type": "tool_use", "id": "call-1", "name": TIME.name, "input": {}}
    opened, *rest = use(0, "call-1", TIME.name, "{}")
    played = hear(calling(opened, change, *rest), ANSWER)

    assert played.ran == [[("time", {})]]
    assert json.loads(played.requests[1])["messages"][1]["content"] == [whole]


# The stop.


@shows("stop reasons")
@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence", "pause_turn", "refusal", "max_tokens", "novel"])
def test_the_stop_reason_passes_as_it_came(reason: str) -> None:
    stopped = {"stop_reason": reason, "stop_sequence": "x", "stop_details": {"type": "refusal"}}
    delta = {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": 1}, "context_management": {"a": []}}
    rounds = [calling(*use(0, "c", TIME.name)), stream(start(id="resp-2"), delta) + STOP]

    assert only(hear(*rounds), "message_delta") == {
        **delta,
        "usage": {"input_tokens": 20, "output_tokens": 6, "service_tier": "standard"},
    }


@shows("cut off", "stop reasons")
@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "model_context_window_exceeded"])
def test_a_round_that_was_cut_off_runs_nothing(reason: str) -> None:
    played = hear(calling(*text(0, "Let"), *use(1, "call-1", TIME.name, "{}"), stop=reason))

    assert played.toolbox.calls == []
    assert only(played, "message_delta")["delta"]["stop_reason"] == reason
    assert [record.error for record in played.of(ToolUsage)] == ["not run: the answer was cut off in mid-call"]
    assert b"bmcp" not in played.body


@pytest.mark.parametrize("reason", ["end_turn", "tool_use", "pause_turn", None])
def test_injected_calls_run_whatever_the_stop_is_called(reason: Any) -> None:
    assert hear(calling(*use(0, "call-1", TIME.name), stop=reason), ANSWER).ran == [[("time", {})]]


def test_a_stop_that_is_told_in_two_parts() -> None:
    first, last = end("end_turn", 5)[0], {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 7}}
    played = hear(calling(*use(0, "c", TIME.name)), stream(start(), *text(0, "Five."), first, PING, last) + STOP)

    told = [value for value in values_of(played.body) if value["type"] == "message_delta"]
    assert told == [first, {**last, "usage": {"input_tokens": 20, "output_tokens": 12, "service_tier": "standard"}}]
    assert values_of(played.body)[-2:] == [told[1], {"type": "message_stop"}]


def test_the_stop_of_a_hidden_round_is_hidden_though_it_has_no_stop_reason() -> None:
    played = hear(stream(start(), *use(0, "call-1", TIME.name)) + STOP, ANSWER)

    assert played.body.count(STOP) == 1
    assert VOICE.heard(played.body, streaming=True).text == "Five."


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_stop_without_a_stop_reason(rounds: int) -> None:
    played = hear(*[calling(*use(0, "c", TIME.name))] * (rounds - 1), stream(start(), *text(0, "Five.")) + STOP)

    assert played.outcome.status == "completed"
    assert values_of(played.body)[-1] == {"type": "message_stop"}
