"""What a stream of messages holds besides words: calls, tokens, thoughts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.errors import UpstreamError
from aibridge.model import ThoughtRecord, TokenUsage, ToolUsage
from tests.dialects.behaviours import shows
from tests.dialects.messages import STOP, VOICE, block, calling, end, hear, message, only, start, text, thinking, use
from tests.dialects.playing import TIME
from tests.dialects.wire import dump, event, stream
from tests.twins import Answer

ANSWER = stream(start(id="resp-2"), *text(0, "Five."), *end(output=7))


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


def test_events_of_a_block_that_never_began_pass_as_they_came() -> None:
    odd = event({"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta", "text": "x"}})
    assert odd in hear(stream(start()) + odd + stream(*end())).body


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
