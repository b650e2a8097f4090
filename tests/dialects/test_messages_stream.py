"""Streams of messages: what providers send, and what the client may see of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.dialects.messages import Messages
from aibridge.errors import UpstreamError
from aibridge.model import ThoughtRecord, TokenUsage, ToolUsage
from tests.dialects.behaviours import shows
from tests.dialects.messages import PING, MessagesVoice, block, end, message, start, text, thinking, use
from tests.dialects.playing import CITY, TIME, UUID, Played, Said, play
from tests.dialects.wire import dump, event, stream, values_of
from tests.twins import Answer

VOICE = MessagesVoice()
ANSWER = stream(start(id="resp-2"), *text(0, "Five."), *end(output=7))
STOP = event({"type": "message_stop"})


def hear(*rounds: bytes | Answer, **how: Any) -> Played:
    return play(VOICE, VOICE.request(streaming=True), rounds, **how)


def calling(*events: dict[str, Any], stop: str = "tool_use", **members: Any) -> bytes:
    """A round that ends with calls."""
    return stream(start(**members), *events, *end(stop))


def shown(played: Played) -> list[dict[str, Any]]:
    return values_of(played.body)


def only(played: Played, kind: str) -> dict[str, Any]:
    """The one event of a type."""
    [value] = [value for value in shown(played) if value["type"] == kind]
    return value


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

    assert shown(played)[0] == {**sent, "message": {**sent["message"], "id": UUID}}
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

    assert [(value["type"], value.get("index")) for value in shown(played)] == [
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
    assert [value["type"] for value in shown(played)].count("ping") == 3


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

    told = [value for value in shown(played) if value["type"] == "message_delta"]
    assert told == [first, {**last, "usage": {"input_tokens": 20, "output_tokens": 12, "service_tier": "standard"}}]
    assert shown(played)[-2:] == [told[1], {"type": "message_stop"}]


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_stop_without_a_stop_reason(rounds: int) -> None:
    played = hear(*[calling(*use(0, "c", TIME.name))] * (rounds - 1), stream(start(), *text(0, "Five.")) + STOP)

    assert played.outcome.status == "completed"
    assert shown(played)[-1] == {"type": "message_stop"}


# Calls.


@shows("server tools")
def test_a_server_tools_call_is_recorded_as_the_providers_and_does_not_end_the_turn() -> None:
    events = [
        *use(0, "srv-1", "web_search", '{"query":"x"}', type="server_tool_use"),
        *block(1, {"type": "web_search_tool_result", "tool_use_id": "srv-1", "content": []}),
        *use(2, "mcp-1", "f", type="mcp_tool_use"),
        *use(3, "call-1", TIME.name),
    ]
    played = hear(calling(*events), ANSWER)

    assert [(record.call_id, record.tool, record.input, record.injected) for record in played.of(ToolUsage)] == [
        ("srv-1", "web_search", b'{"query":"x"}', False),
        ("mcp-1", "f", b"{}", False),
        ("call-1", "time", b"{}", True),
    ]
    assert VOICE.heard(played.body, streaming=True).text == "Five."


@shows("exact names", "server tools")
@pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use"])
def test_a_server_tool_with_the_name_of_ours_is_not_ours(kind: str) -> None:
    played = hear(calling(*use(0, "srv-1", TIME.name, "{}", type=kind)))

    assert played.toolbox.calls == []
    assert TIME.name.encode() in played.body


def test_a_call_that_is_cut_is_on_record_with_what_came_of_it() -> None:
    begun = stream(start(), *use(0, "call-1", TIME.name, '{"a"', ':"b')[:-1])
    [record] = hear(Answer([begun], cut=UpstreamError("reset"))).of(ToolUsage)

    assert (record.tool, json.loads(record.input)) == ("time", '{"a":"b')
    assert record.error == "not run: the answer was cut off in mid-call"


@pytest.mark.parametrize("shape", [None, 7, "x", [], ["a"], {}])
@pytest.mark.parametrize(
    "value",
    [
        {"type": "X"},
        {"type": "content_block_start", "index": "X", "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_start", "index": 9, "content_block": "X"},
        {"type": "content_block_start", "index": 9, "content_block": {"type": "X", "text": "X"}},
        {"type": "content_block_start", "index": 9, "content_block": {"type": "tool_use", "name": "X", "id": "X"}},
        {"type": "content_block_start", "index": 9, "content_block": {"type": "thinking", "thinking": "X"}},
        {"type": "content_block_delta", "index": "X", "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_delta", "index": 0, "delta": "X"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "X", "text": 5}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "X"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "X"}},
        {"type": "content_block_stop", "index": "X"},
        {"type": "message_start", "message": "X"},
        {"type": "message_start", "message": {"id": "X", "usage": "X", "stop_reason": "X"}},
        {"type": "message_delta", "delta": "X", "usage": {"output_tokens": 1}},
        {"type": "message_delta", "delta": {"stop_reason": "X"}, "usage": "X"},
    ],
)
def test_events_of_odd_shapes_do_no_harm(value: dict[str, Any], shape: Any) -> None:
    odd = json.loads(dump(value).replace(b'"X"', dump(shape)))
    begun = stream(start(), *text(0, "Hi.")[:-1])
    played = hear(begun + b"data: " + dump(odd) + b"\n\n" + stream(text(0)[-1], *end()))

    assert played.outcome.status == "completed"
    assert b'"text":"Hi."' in played.body


# Usage and thoughts.


@shows("cumulative", "usage last wins")
def test_the_last_value_of_each_kind_of_token_counts() -> None:
    told = [
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 3, "input_tokens": None}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7, "novel": 1}},
        {"type": "message_delta", "delta": {}},
    ]
    [record] = hear(stream(start(), *text(0, "Hi."), *told) + STOP).of(TokenUsage)

    assert (record.input, record.output, record.extra) == (10, 7, {})


@shows("cache tokens")
@pytest.mark.parametrize(
    ("tokens", "expected", "extra"),
    [
        (
            {
                "input_tokens": 3,
                "cache_creation_input_tokens": 40,
                "cache_read_input_tokens": 500,
                "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 10},
                "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
                "output_tokens": 6,
            },
            (3, 500, 40, 6),
            {"cache_ephemeral_5m_input": 30, "cache_ephemeral_1h_input": 10, "web_search_requests": 2},
        ),
        (
            {"cache_creation": {"ephemeral_5m_input_tokens": 0}, "server_tool_use": {"web_search_requests": None}},
            (0, 0, 0, 0),
            {"cache_ephemeral_5m_input": 0},
        ),
        (
            {"input_tokens": "3", "output_tokens": True, "cache_creation": [], "server_tool_use": 7},
            (0, 0, 0, 0),
            {},
        ),
    ],
)
def test_tokens_for_the_record(tokens: Any, expected: tuple[int, ...], extra: dict[str, int]) -> None:
    stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    [record] = hear(stream({"type": "message_start", "message": message(usage=tokens)}, stop) + STOP).of(TokenUsage)

    assert (record.input, record.cache_read, record.cache_write, record.output) == expected
    assert record.extra == extra


@shows("cache tokens", "usage sum")
def test_the_sum_over_rounds_member_by_member() -> None:
    told: dict[str, Any] = {
        "cache_creation_input_tokens": 4,
        "cache_read_input_tokens": 5,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 0},
        "server_tool_use": {"web_search_requests": 1},
    }
    first = calling(*use(0, "c", TIME.name), usage={"input_tokens": 10, "output_tokens": 1, **told})
    second = stream(start(usage={"input_tokens": 20, "output_tokens": 1, **told}), *end(output=9))

    assert only(hear(first, second), "message_delta")["usage"] == {
        "input_tokens": 30,
        "output_tokens": 14,
        "cache_creation_input_tokens": 8,
        "cache_read_input_tokens": 10,
        "cache_creation": {"ephemeral_5m_input_tokens": 8, "ephemeral_1h_input_tokens": 0},
        "server_tool_use": {"web_search_requests": 2},
    }


@shows("one token record")
@pytest.mark.parametrize(
    ("events", "extra"),
    [
        ([], {"partial": True}),
        ([start()], {"partial": True}),
        ([start(usage=None)], {"partial": True}),
        ([start(usage=None), *text(0, "abcdefgh")], {"estimated": True}),
    ],
)
def test_a_stream_that_is_cut_is_marked(events: list[Any], extra: dict[str, bool]) -> None:
    [record] = hear(Answer([stream(*events)], cut=UpstreamError("reset"))).of(TokenUsage)
    assert record.extra == extra


@shows("one token record")
def test_a_provider_that_says_nothing_of_tokens_is_estimated() -> None:
    stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    played = hear(
        calling(*use(0, "c", TIME.name), usage=None).replace(b',"usage":{"output_tokens":5}', b""),
        stream(start(usage=None), *text(0, "x" * 400), stop) + STOP,
    )

    [_, record] = played.of(TokenUsage)
    assert record.input == len(played.requests[1]) // 4
    assert 100 <= record.output < 110
    assert record.extra == {"estimated": True}
    assert "usage" not in only(played, "message_delta")


@shows("thinking recorded")
def test_thinking_is_recorded_in_every_round() -> None:
    empty = {"type": "thinking", "thinking": "", "signature": "s"}
    first = calling(*thinking(0, "Hm. "), *block(1, empty), *thinking(2, "So."), *use(3, "c", TIME.name))
    played = hear(first, stream(start(), *thinking(0, "Ah."), *text(1, "Five."), *end()))

    assert [(thought.content, thought.source) for thought in played.of(ThoughtRecord)] == [
        ("Hm. ", "thinking"),
        ("So.", "thinking"),
        ("Ah.", "thinking"),
    ]


# Errors.


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

    assert shown(played)[1:] == [
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
    told = shown(played)[-1] if streaming else json.loads(played.body)
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

    assert shown(played)[-1]["error"]["message"] == "the provider closed the stream before the answer was complete"
    assert played.outcome.status == "failed"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_a_last_event_without_its_blank_line(end: bytes, size: int, tools: tuple[Any, ...]) -> None:
    assert hear(ANSWER[:-2] + end, size=size, tools=tools).body == hear(ANSWER).body


@pytest.mark.parametrize("half", [b": bye", b"event: ping", b'data: {"type":"pi', b'data: {"type":"content_block_st'])
def test_half_an_event_is_glued_to_nothing(half: bytes) -> None:
    assert hear(ANSWER + half).body == hear(ANSWER).body
    assert shown(hear(stream(start()) + half))[1]["type"] == "error"


def test_an_error_without_its_blank_line_is_told_whole() -> None:
    assert hear(VOICE.error_event("boom")[:-2]).body == VOICE.error_event("boom")
