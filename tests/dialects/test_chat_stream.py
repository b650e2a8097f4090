"""Streams of chat completions: what providers send, and what the client may see of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.errors import UpstreamError
from aibridge.model import PromptRecord, TokenUsage, ToolUsage
from tests.dialects.behaviours import shows
from tests.dialects.chat import (
    DONE,
    USER,
    Chat,
    calling,
    chunk,
    chunks_of,
    data_of,
    deltas_of,
    event,
    piece,
    stream,
    usage,
    usage_chunk,
    words,
)
from tests.dialects.playing import CITY, TIME, UUID, Played, Said, injected, play
from tests.dialects.wire import dump
from tests.twins import Answer

CHAT = Chat()
ANSWER = stream(words("Five.", role="assistant"), chunk(finish="stop"), usage_chunk(30, 7))


def ask(**members: Any) -> bytes:
    return dump({"model": "gpt-x", "messages": [USER], "stream": True, **members})


def hear(*rounds: bytes | Answer, asked: bool = True, **how: Any) -> Played:
    body = ask(stream_options={"include_usage": True}) if asked else ask()
    return play(CHAT, body, rounds, **how)


def spoken(played: Played) -> str:
    return CHAT.heard(played.body, streaming=True).text


def shown_calls(played: Played) -> tuple[Said, ...]:
    return CHAT.heard(played.body, streaming=True).calls


# Bytes.


@shows("id swap")
@pytest.mark.parametrize("tools", [(), (TIME,)])
@pytest.mark.parametrize(
    "rest",
    [
        b',"choices":[{"delta":{"content":"a\\u00e9\\/\\"\xc3\xa9"},"index":0}],"logprob":-1.50E-3,"z":1,"a":1.0}',
        b' , "choices" : [ { "index":0, "delta":{"content":""} } ], "big":123456789012345678901234567890 }',
        b',"choices":[{"index":0,"delta":{"content":"half \\ud83d"}}],"id2":"resp-1"}',
        b',"choices":[{"index":0,"delta":{},"finish_reason":"stop","logprobs":{"x":-0.0}}],"created":1.76e9}',
        b',"choices":[],"prompt_filter_results":[{"x":0.10}]}',
        b',"choices":[{"index":0,"delta":{"content":null,"reasoning_content":"hm","x":NaN}}]}',
    ],
)
def test_a_chunk_keeps_its_bytes_but_for_the_id(rest: bytes, tools: tuple[Any, ...]) -> None:
    sent = b'{"id":"resp-1"' + rest
    played = hear(b"data: " + sent + b"\n\n" + stream(chunk(finish="stop")), tools=tools)

    assert b'{"id":"%b"' % UUID.encode() + rest in data_of(played.body)


@shows("id swap")
@pytest.mark.parametrize(
    ("sent", "relayed"),
    [
        (b' {  "id" :"x","choices":[],"f":1.50}', b'{"id":"ID","choices":[],"f":1.50}'),
        (b'{"object":"o","id":"x","choices":[],"f":1.50}', b'{"object":"o","id":"ID","choices":[],"f":1.5}'),
        (b'{"choices":[],"f":2}', b'{"choices":[],"f":2,"id":"ID"}'),
        (b'{"id":null,"choices":[]}', b'{"id":"ID","choices":[]}'),
        (b'{"id":"x\\"y","choices":[]}', b'{"id":"ID","choices":[]}'),
        (b'{"id":"","choices":[]}', b'{"id":"ID","choices":[]}'),
    ],
)
def test_wherever_the_id_stands_it_is_ours(sent: bytes, relayed: bytes) -> None:
    played = hear(b"data: " + sent + b"\n\n" + stream(chunk(finish="stop")))
    assert data_of(played.body)[0] == relayed.replace(b"ID", UUID.encode())


def test_ids_that_change_within_a_stream_become_one() -> None:
    chunks = [{**words(str(number)), "id": f"resp-{number}"} for number in (1, 12, 1, 3)]
    played = hear(stream(*chunks, chunk(finish="stop")))

    assert {item["id"] for item in chunks_of(played.body)} == {UUID}
    assert spoken(played) == "11213"


@shows("framing")
@pytest.mark.parametrize("size", [0, 1])
def test_framings_of_every_kind(size: int) -> None:
    sent = (
        b": comment\n\n"
        + event(words("a")).replace(b"\n", b"\r\n")
        + event(words("b")).replace(b"data: ", b"data:")
        + b"id: 7\n: note\nevent: chunk\n"
        + event(words("c"))
        + dump(words("d"))
        .replace(b',"choices"', b'\n,"choices"')
        .join([b"data: ", b"\n\n"])
        .replace(b"\n,", b"\ndata: ,")
        + b"\n\n"
        + event(chunk(finish="stop"))[:-2]  # without its blank line
    )
    played = hear(sent, size=size)

    assert played.body.startswith(b": comment\n\n")
    lines = [line for line in played.body.split(b"\n") if line and not line.startswith((b"data: ", b":"))]
    assert lines == []
    assert [json.loads(item)["choices"][0]["delta"] for item in data_of(played.body)[:3]] == [
        {"content": text} for text in "abc"
    ]
    assert b'data: ,"choices":[{"index":0,"delta":{"content":"d"}' in played.body
    assert played.outcome.status == "completed"


def test_a_comment_passes_as_it_came_and_the_end_is_not_glued_to_it() -> None:
    played = hear(b": one\r\n\r\n" + event(chunk(finish="stop")) + b": two")

    assert played.body.startswith(b": one\r\n\r\n")
    assert played.body.endswith(b"\n\n" + DONE)


@pytest.mark.parametrize("odd", [b"data: {\n\n", b"data: 7\n\n", b"data: \xff\n\n", b"data: [1]\n\n", b"event: x\n\n"])
def test_what_nobody_understands_passes_as_it_came(odd: bytes) -> None:
    played = hear(odd + stream(words("Hi."), chunk(finish="stop")))

    assert played.body.startswith(odd)
    assert played.outcome.status == "completed"


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": {}},
        {"choices": [None, 1]},
        {"choices": [{"index": 0}]},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"index": None, "delta": {"tool_calls": [None, 5, {}, {"function": None, "index": "x"}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": {}, "content": 7, "role": None}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {"name": 7, "arguments": 8}, "id": 9, "type": 10}]}}]},
        {"id": 5, "usage": [], "choices": []},
        {},
    ],
)
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_chunks_of_odd_shapes_do_no_harm(odd: dict[str, Any], tools: tuple[Any, ...]) -> None:
    played = hear(stream(odd, words("Hi."), chunk(finish="stop")), tools=tools)

    assert played.outcome.status == "completed"
    assert b"Hi." in played.body


def test_a_finish_of_an_odd_shape_is_a_finish() -> None:
    assert hear(stream(words("Hi."), chunk(finish={"type": "stop"}))).outcome.status == "completed"  # type: ignore[arg-type]  # odd


@shows("bare chunk", "reasoning", "null content", "repeated role")
def test_what_else_providers_send_is_relayed_as_it_came() -> None:
    sent: list[dict[str, Any]] = [
        {"choices": [{"delta": {"role": "assistant", "content": None, "reasoning_content": "Hm"}}]},
        {"choices": [{"delta": {"role": "assistant", "content": "Hi."}}]},
        {"choices": [{"delta": {"role": "assistant"}, "finish_reason": "stop"}]},
    ]
    assert chunks_of(hear(stream(*sent)).body) == [{**item, "id": UUID} for item in sent]


# Calls.


@shows("whole call", "finish with delta")
def test_a_whole_answer_in_one_chunk() -> None:
    call = piece(0, "call-1", TIME.name, '{"zone":"UTC"}')
    whole = chunk({"role": "assistant", "content": "Look. ", "tool_calls": [call]}, "tool_calls")
    played = hear(stream(whole), stream(chunk({"role": "assistant", "content": "Five."}, "stop")))

    assert played.ran == [[("time", {"zone": "UTC"})]]
    assert CHAT.heard(played.body, streaming=True).text == "Look. Five."
    assert [delta.get("role") for delta in deltas_of(played.body)] == ["assistant", None]


def test_words_and_call_in_one_delta_are_parted() -> None:
    both = calling(piece(0, "call-1", TIME.name, "{}"), content="Look.")
    played = hear(stream(both, chunk(finish="tool_calls")), ANSWER)

    assert deltas_of(played.body)[0] == {"content": "Look."}


@shows("index from 1")
@pytest.mark.parametrize("first", [1, 5])
def test_indexes_need_not_start_at_0(first: int) -> None:
    calls = [
        calling(piece(first, "call-1", TIME.name, "")),
        calling(piece(first, arguments="{}")),
        calling(piece(first + 1, "call-2", "edit", "")),
        calling(piece(first + 1, arguments='{"a":1}')),
    ]
    played = hear(stream(*calls, chunk(finish="tool_calls")))

    assert played.ran == [[("time", {})]]
    assert shown_calls(played) == (Said("call-2", "edit", '{"a":1}'),)


@pytest.mark.parametrize("index", [0, 1])
def test_a_clients_call_alone_keeps_its_bytes_where_its_index_is_0(index: int) -> None:
    rest = b',"choices":[{"delta":{"tool_calls":[{"index":%d,"id":"c","function":{"name":"x"}}]},"f":1.50}]}' % index
    played = hear(b'data: {"id":"resp-1"' + rest + b"\n\n" + stream(chunk(finish="tool_calls")))

    renumbered = rest.replace(b'"index":1', b'"index":0').replace(b"1.50", b"1.5" if index else b"1.50")
    assert data_of(played.body)[0] == (b'{"id":"%b"' % UUID.encode() + renumbered)


@shows("names")
@pytest.mark.parametrize(
    "pieces",
    [
        [("call-1", "bmcp_", None), (None, "srv_", None), (None, "time", None), (None, None, "{}")],
        [("call-1", "bmcp_srv_time", ""), (None, "", "{"), (None, None, "}")],
        [("call-1", "  bmcp_srv_time ", "{}")],
        [("call-1", "bmcp_srv_time", "{"), ("call-1", "bmcp_srv_time", "}")],
        [("call-1", "bmcp_srv_time", "{"), (None, "bmcp_srv_time", "}")],
        [(None, None, None), ("call-1", None, None), (None, "bmcp_srv_time", None)],
        [("call-1", "bmcp_srv_time", None)],
        [("call-1", "bmcp_srv_time", "{"), ("call-9", None, "}")],
        [("call-1", "bmcp_srv_time", "{}"), (None, "bmcp_srv_time", "")],
    ],
    ids=[
        "split",
        "empty name",
        "padded",
        "repeated",
        "repeated without id",
        "id first",
        "no arguments",
        "new ids",
        "repeated at the end",
    ],
)
def test_forms_of_a_name(pieces: list[tuple[str | None, str | None, str | None]]) -> None:
    played = hear(stream(*(calling(piece(0, *told)) for told in pieces), chunk(finish="tool_calls")), ANSWER)

    assert played.ran == [[("time", {})]]
    assert [usage.call_id for usage in played.of(ToolUsage)] == ["call-1"]
    assert shown_calls(played) == ()
    assert b"bmcp" not in played.body


@shows("names")
def test_a_clients_name_that_is_split_arrives_whole() -> None:
    pieces = [
        piece(0, "c", "bmcp_"),
        piece(0, name="srv_"),
        piece(0, name="file", arguments='{"a"'),
        piece(0, arguments=":1}"),
    ]
    played = hear(stream(*map(calling, pieces), chunk(finish="tool_calls")))

    assert shown_calls(played) == (Said("c", "bmcp_srv_file", '{"a":1}'),)
    assert played.toolbox.calls == []


@pytest.mark.parametrize("id_", ["call-1", None])
def test_a_clients_call_that_only_the_end_decides_is_shown_before_the_finish(id_: str | None) -> None:
    played = hear(stream(calling(piece(0, id_, "bmcp_srv")), {**chunk(finish="tool_calls"), "usage": usage()}))

    call, finish, tokens = chunks_of(played.body)
    shown = {"type": "function", "function": {"name": "bmcp_srv", "arguments": ""}, "index": 0}
    assert call["choices"][0]["delta"] == {"tool_calls": [shown if id_ is None else {"id": id_, **shown}]}
    assert (call["model"], call["object"], "usage" in call) == ("gpt-x", "chat.completion.chunk", False)
    assert finish["choices"][0]["finish_reason"] == "tool_calls"
    assert tokens["usage"] == usage()


@shows("several in one")
def test_several_calls_in_one_delta() -> None:
    pieces = [piece(0, "call-1", "edit", "{}"), piece(1, "call-2", TIME.name, "{}"), piece(2, "call-3", "run", "{}")]
    played = hear(stream(calling(*pieces), chunk(finish="tool_calls")))

    assert played.ran == [[("time", {})]]
    assert shown_calls(played) == (Said("call-1", "edit"), Said("call-3", "run"))


@shows("same index")
@pytest.mark.parametrize("index", [0, None])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("ids", [("call-1", "call-2"), (None, None), ("", "")])
@pytest.mark.parametrize("names", [("time", "city"), ("time", "time")])
def test_calls_of_one_index_are_told_apart(
    index: int | None, together: bool, ids: tuple[str | None, str | None], names: tuple[str, str]
) -> None:
    pieces = [
        piece(index, id_, f"bmcp_srv_{name}", f'{{"n":{number}}}')
        for number, (id_, name) in enumerate(zip(ids, names, strict=True))
    ]
    deltas = [calling(*pieces)] if together else [calling(part) for part in pieces]
    played = hear(stream(*deltas, chunk(finish="tool_calls")), ANSWER)

    assert played.ran == [[(name, {"n": number}) for number, name in enumerate(names)]]
    call_ids = [usage.call_id for usage in played.of(ToolUsage)]
    assert call_ids == (list(ids) if ids[0] else ["call_resp-1_0", "call_resp-1_1"])
    assert [call_id for call_id, _ in CHAT.answered(played.requests[1])] == call_ids


def test_another_name_behind_arguments_is_another_call() -> None:
    pieces = [piece(0, None, TIME.name, "[1]"), piece(0, None, CITY.name, "{}")]
    played = hear(stream(*map(calling, pieces), chunk(finish="tool_calls")), ANSWER)

    assert played.ran == [[("city", {})]]
    assert [usage.tool for usage in played.of(ToolUsage)] == ["time", "city"]


def test_a_clients_call_is_relayed_as_soon_as_it_cannot_be_ours() -> None:
    begun = [event(calling(piece(0, "c", "bmcp_srv"))), event(calling(piece(0, arguments='{"a"')))]
    played = hear(Answer([*begun, event(calling(piece(0, arguments=":1}"))) + event(chunk(finish="tool_calls"))]))

    first, second, _ = played.client.writes
    assert b'"arguments":"{\\"a\\""' in first
    assert b'"arguments":":1}"' in second


def test_without_tools_of_ours_the_finish_is_not_kept_back() -> None:
    played = hear(Answer([event(words("Hi.")), event(chunk(finish="stop")), DONE]), tools=())
    assert b'"finish_reason":"stop"' in played.client.writes[1]
    assert played.client.writes[2] == DONE


def test_custom_calls_of_one_index_are_told_apart() -> None:
    calls = [
        {"index": 0, "id": f"c{n}", "type": "custom", "custom": {"name": "sh", "input": f"ls {n}"}} for n in (1, 2)
    ]
    played = hear(stream(*map(calling, calls), chunk(finish="tool_calls")))

    assert [(usage.call_id, usage.input) for usage in played.of(ToolUsage)] == [("c1", b'"ls 1"'), ("c2", b'"ls 2"')]


@shows("custom tools")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_a_custom_call_is_the_clients_and_its_text_is_recorded(tools: tuple[Any, ...]) -> None:
    pieces = [
        {"index": 0, "id": "c", "type": "custom", "custom": {"name": "bmcp_srv_time", "input": ""}},
        {"index": 0, "custom": {"input": "ls "}},
        {"index": 0, "custom": {"input": '"x"'}},
    ]
    played = hear(stream(*map(calling, pieces), chunk(finish="tool_calls")), tools=tools)

    assert [delta["tool_calls"][0] for delta in deltas_of(played.body)[:3]] == pieces
    [record] = played.of(ToolUsage)
    assert (record.tool, record.input, record.injected) == ("bmcp_srv_time", b'"ls \\"x\\""', False)


@shows("legacy functions")
def test_legacy_function_calls_pass() -> None:
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
    ]
    sent = [*map(chunk, deltas), chunk(finish="function_call")]
    body = ask(stream_options={"include_usage": True}, functions=[{"name": "f"}])

    assert chunks_of(play(CHAT, body, [stream(*sent)]).body) == [{**item, "id": UUID} for item in sent]


def test_a_call_of_ours_told_in_the_legacy_form_too_stays_hidden() -> None:
    pieces = [piece(0, "call-1", TIME.name, ""), piece(0, arguments="{}")]
    deltas = [calling(part, function_call=part["function"], role=None) for part in pieces]
    played = hear(stream(*deltas, chunk(finish="tool_calls")), ANSWER)

    assert b"bmcp" not in played.body
    assert b"function_call" not in played.body
    assert played.ran == [[("time", {})]]


def test_nameless_pieces_are_noise() -> None:
    played = hear(stream(calling(piece(0, arguments="{}")), words("Hi."), chunk(finish="stop")), tools=())

    assert played.of(ToolUsage) == []
    assert spoken(played) == "Hi."


@pytest.mark.parametrize("finish", ["stop", "tool_calls", None])
def test_injected_calls_run_whatever_the_finish_is_called(finish: str | None) -> None:
    played = hear(stream(calling(piece(0, "call-1", TIME.name, "{}")), chunk(finish=finish)), ANSWER)

    assert played.ran == [[("time", {})]]
    assert CHAT.heard(played.body, streaming=True).finish == "stop"


@shows("cut off")
@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_a_round_that_was_cut_off_runs_nothing(finish: str) -> None:
    played = hear(stream(calling(piece(0, "call-1", TIME.name, "{}")), chunk(finish=finish), chunk()))

    assert played.toolbox.calls == []
    assert CHAT.heard(played.body, streaming=True).finish == finish


def test_arguments_that_are_sent_as_an_object_are_understood() -> None:
    call = {"index": 0, "id": "call-1", "function": {"name": TIME.name, "arguments": {"zone": "UTC"}}}
    played = hear(stream(calling(call), chunk(finish="tool_calls")), ANSWER)

    assert played.ran == [[("time", {"zone": "UTC"})]]
    [_, assistant, _] = json.loads(played.requests[1])["messages"]
    assert assistant["tool_calls"][0]["function"]["arguments"] == '{"zone":"UTC"}'


@shows("replay")
def test_what_was_streamed_is_replayed_whole() -> None:
    signature = {"google": {"thought_signature": "abc=="}}
    deltas = [
        words("Let me "),
        words("see."),
        calling({**piece(1, "call-1", TIME.name, '{ "a"'), "extra_content": signature}),
        calling(piece(1, arguments=": 1.50 }")),
        calling(piece(2, "call-2", CITY.name, "")),
        chunk(finish="tool_calls"),
    ]
    played = hear(stream(*deltas), ANSWER)

    [_, assistant, *results] = json.loads(played.requests[1])["messages"]
    assert assistant["content"] == "Let me see."
    assert assistant["tool_calls"] == [
        {
            "id": "call-1",
            "type": "function",
            "function": {"name": TIME.name, "arguments": '{ "a": 1.50 }'},
            "extra_content": signature,
        },
        {"id": "call-2", "type": "function", "function": {"name": CITY.name, "arguments": ""}},
    ]
    assert [result["tool_call_id"] for result in results] == ["call-1", "call-2"]


def test_words_behind_the_finish_of_a_hidden_round_are_not_lost() -> None:
    late = [calling(piece(0, "call-1", TIME.name, "{}")), chunk(finish="tool_calls"), words("By the way. "), chunk()]
    played = hear(stream(*late), ANSWER)

    assert CHAT.heard(played.body, streaming=True).text == "By the way. Five."


# Usage.


@shows("usage asked")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_usage_that_the_client_did_not_ask_for_is_dropped(tools: tuple[Any, ...]) -> None:
    chunks = [{**words("a"), "usage": None}, {**chunk(finish="stop"), "usage": usage(1, 1)}, usage_chunk(3, 4)]
    played = hear(stream(*chunks), asked=False, tools=tools)

    assert b"usage" not in played.body
    assert len(chunks_of(played.body)) == 2
    [record] = played.of(TokenUsage)
    assert (record.input, record.output) == (3, 4)


@shows("id swap")
@pytest.mark.parametrize(
    ("sent", "relayed"),
    [
        (b'"f":1.50,"usage":null,"x":1}', b'"f":1.50,"x":1}'),
        (b'"f":1.50,"usage":null}', b'"f":1.50}'),
        (b'"s":"\\",\\"usage\\":null","usage":null,"f":1.50}', b'"s":"\\",\\"usage\\":null","f":1.50}'),
        (b'"f":1.50,"o":{"a":1,"usage":null},"usage":null}', b'"f":1.5,"o":{"a":1,"usage":null}}'),
        (b'"f":1.50,"usage": null}', b'"f":1.5}'),
        (b'"f":1.50,"usage":{"prompt_tokens":1}}', b'"f":1.5}'),
    ],
)
def test_a_usage_that_is_null_is_cut_out_of_the_bytes(sent: bytes, relayed: bytes) -> None:
    start = b',"choices":[{"index":0,"delta":{"content":"a"}}],'
    played = hear(b'data: {"id":"resp-1"' + start + sent + b"\n\n" + stream(chunk(finish="stop")), asked=False)

    assert data_of(played.body)[0] == b'{"id":"%b"' % UUID.encode() + start + relayed


@shows("usage on finish")
def test_usage_on_the_finish_comes_apart_where_it_was_asked_for() -> None:
    played = hear(stream(words("Hi."), {**chunk(finish="stop"), "usage": usage(3, 4)}))

    _, finish, apart = chunks_of(played.body)
    assert finish["usage"] is None
    assert (apart["choices"], apart["usage"]) == ([], usage(3, 4))
    assert (apart["model"], apart["id"]) == ("gpt-x", UUID)


def test_the_usage_chunk_of_a_single_round_keeps_its_bytes() -> None:
    sent = b'"object":"o","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"cost":0.00010,"x":null}}'
    played = hear(stream(chunk(finish="stop"), done=False) + b'data: {"id":"resp-1",' + sent + b"\n\n" + DONE)

    assert data_of(played.body)[-2] == b'{"id":"%b",' % UUID.encode() + sent


@shows("usage sum")
def test_the_sum_over_rounds_member_by_member() -> None:
    first = usage(10, 5, prompt_tokens_details={"cached_tokens": 4}, cost=0.25, tier="a", only=1, gone=None)
    second = usage(20, 6, prompt_tokens_details={"cached_tokens": 8, "audio_tokens": 1}, cost=0.5, tier="b", new=None)
    call = calling(piece(0, "call-1", TIME.name, "{}"))
    rounds = [
        stream(call, chunk(finish="tool_calls"), {**chunk(), "choices": [], "usage": first}),
        stream(words("Five."), chunk(finish="stop"), {**chunk(), "choices": [], "usage": second}),
    ]
    total = chunks_of(hear(*rounds).body)[-1]["usage"]

    assert total == {
        "prompt_tokens": 30,
        "completion_tokens": 11,
        "total_tokens": 41,
        "prompt_tokens_details": {"cached_tokens": 12, "audio_tokens": 1},
        "cost": 0.75,
        "tier": "b",
        "only": 1,
        "gone": None,
        "new": None,
    }


@shows("usage last wins")
def test_running_totals_count_once() -> None:
    running = [{**words("x"), "usage": usage(10, number)} for number in (1, 2, 3)]
    played = hear(stream(*running, chunk(finish="stop"), {**chunk(), "usage": None}, usage_chunk(10, 4)))

    assert [(record.input, record.output) for record in played.of(TokenUsage)] == [(10, 4)]
    assert chunks_of(played.body)[-1]["usage"] == usage(10, 4)


@shows("usage last wins")
def test_a_later_chunk_without_usage_does_not_zero_it() -> None:
    later = [{**words("x"), "usage": None}, {**chunk(finish="stop"), "usage": None}]
    played = hear(stream({**words("x"), "usage": usage(10, 4)}, *later))

    assert [(record.input, record.output) for record in played.of(TokenUsage)] == [(10, 4)]


@shows("usage sum")
@pytest.mark.parametrize("silent", [0, 1])
def test_a_round_without_usage_does_not_lose_that_of_the_other(silent: int) -> None:
    call = calling(piece(0, "call-1", TIME.name, "{}"))
    rounds = [[call, chunk(finish="tool_calls")], [words("Five."), chunk(finish="stop")]]
    rounds[1 - silent].append(usage_chunk(10, 5))
    played = hear(*(stream(*chunks) for chunks in rounds))

    assert CHAT.heard(played.body, streaming=True).usage == (10, 5)
    assert [("estimated" in record.extra) for record in played.of(TokenUsage)] == [silent == 0, silent == 1]


@shows("one token record")
def test_a_provider_that_says_nothing_of_tokens_is_estimated() -> None:
    played = hear(stream(words("x" * 40), calling(piece(0, "c", "edit", "y" * 8)), chunk(finish="tool_calls")))

    [record] = played.of(TokenUsage)
    assert record.input == len(played.requests[0]) // 4
    assert (record.output, record.extra) == (12, {"estimated": True})
    assert CHAT.heard(played.body, streaming=True).usage is None


@shows("one token record")
def test_an_answer_that_says_nothing_at_all_has_an_estimate_of_its_input() -> None:
    played = hear(stream(chunk(finish="stop")))

    [record] = played.of(TokenUsage)
    assert (record.input, record.output, record.extra) == (len(played.requests[0]) // 4, 0, {"estimated": True})


@shows("one token record")
@pytest.mark.parametrize(
    ("chunks", "extra"),
    [
        ([], {"partial": True}),
        ([words("abcdefgh")], {"estimated": True}),
        ([{**words("a"), "usage": usage()}], {"partial": True}),
    ],
)
def test_a_stream_that_is_cut_is_marked(chunks: list[Any], extra: dict[str, bool]) -> None:
    played = hear(Answer([stream(*chunks, done=False)], cut=UpstreamError("reset")))

    [record] = played.of(TokenUsage)
    assert record.extra == extra


@shows("input tokens")
def test_token_types_by_name() -> None:
    details = {
        "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": 1},
        "completion_tokens_details": {
            "audio_tokens": 2,
            "reasoning_tokens": 3,
            "accepted_prediction_tokens": 4,
            "rejected_prediction_tokens": 0,
            "other": 9,
        },
    }
    [record] = hear(stream(chunk(finish="stop"), usage_chunk(100, 50, **details))).of(TokenUsage)

    assert (record.input, record.cache_read, record.cache_write, record.output) == (70, 30, 0, 50)
    assert record.extra == {
        "prompt_audio": 1,
        "completion_audio": 2,
        "completion_reasoning": 3,
        "completion_accepted_prediction": 4,
        "completion_rejected_prediction": 0,
    }


@shows("input tokens")
@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}}, (0, 9, 0)),
        ({"prompt_tokens": "3", "completion_tokens": None, "prompt_tokens_details": []}, (0, 0, 0)),
        (
            {"prompt_tokens": True, "completion_tokens": 2.5, "prompt_tokens_details": {"cached_tokens": None}},
            (0, 0, 0),
        ),
        ({}, (0, 0, 0)),
    ],
)
def test_odd_numbers_of_tokens(told: dict[str, Any], expected: tuple[int, int, int]) -> None:
    [record] = hear(stream({**chunk(finish="stop"), "usage": told})).of(TokenUsage)
    assert (record.input, record.cache_read, record.output) == expected


def test_several_choices_pass_as_they_came() -> None:
    both = [
        {**words("a"), "choices": [{"index": number, "delta": {"content": text}}]}
        for number, text in [(0, "x"), (1, "y")]
    ]
    ends = [{**chunk(), "choices": [{"index": number, "delta": {}, "finish_reason": "stop"}]} for number in (1, 0)]
    played = play(
        CHAT, ask(n=2, stream_options={"include_usage": True}), [stream(*both, *ends, usage_chunk())], tools=()
    )

    assert chunks_of(played.body) == [{**item, "id": UUID} for item in [*both, *ends, usage_chunk()]]


# The end.


@shows("done")
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_a_stream_ends_with_done_whether_or_not_the_provider_says_so(told: bool, tools: tuple[Any, ...]) -> None:
    played = hear(stream(words("Hi."), chunk(finish="stop"), done=told), tools=tools)

    assert played.body.count(DONE) == 1
    assert played.body.endswith(DONE)
    assert played.outcome.status == "completed"


def test_done_without_a_finish_is_an_end() -> None:
    assert hear(stream(words("Hi."))).outcome.status == "completed"


@pytest.mark.parametrize("form", [b"data: [DONE]", b"data:[DONE]\n\n", b"data: [DONE]\r\n\r\n"])
def test_forms_of_done(form: bytes) -> None:
    played = hear(stream(words("Hi."), done=False) + form)
    assert played.outcome.status == "completed"
    assert played.body.count(b"[DONE]") == 1


@shows("cut")
def test_a_cut_behind_done_takes_nothing_from_the_answer() -> None:
    played = hear(Answer([stream(words("Hi."), chunk(finish="stop"))], cut=UpstreamError("reset")))

    assert played.outcome.status == "completed"
    assert CHAT.heard(played.body, streaming=True).finish == "stop"


@shows("cut")
def test_a_cut_between_finish_and_done_is_told() -> None:
    played = hear(Answer([stream(words("Hi."), chunk(finish="stop"), done=False)], cut=UpstreamError("reset")))

    assert played.outcome.status == "failed"
    assert b'"message":"reset"' in played.body


@shows("done", "in-band error")
@pytest.mark.parametrize(
    ("sent", "message", "kind"),
    [
        (b'data: {"error":{"message":"Overloaded","code":529}}\n\n', "Overloaded", "overloaded"),
        (b'data: {"error":{"message":"slow down","type":"rate_limit_error"}}\n\n', "slow down", "rate_limited"),
        (b'data: {"error":"boom"}\n\n', "boom", "unknown"),
        (b'event: error\ndata: {"message":"boom"}\n\n', "boom", "unknown"),
        (b"event: error\ndata: out of memory\n\n", "out of memory", "unknown"),
        (b'data: {"error":{"code":5}}\n\n', '{"error":{"code":5}}', "unknown"),
        (b'data: {"id":"x","choices":[],"error":{"message":"boom"}}', "boom", "unknown"),
        (b'data: {"error":{"message":"boom"}}\r\n\r\n', "boom", "unknown"),
    ],
)
@pytest.mark.parametrize("size", [0, 1])
def test_errors_that_providers_send_in_the_stream(sent: bytes, message: str, kind: str, size: int) -> None:
    played = hear(stream(words("Hi. "), done=False) + sent, size=size)

    assert (played.outcome.error_message, played.outcome.error_type) == (message, kind)
    assert played.body.endswith(sent.rstrip() + b"\n\n" + DONE)
    assert played.body.count(b"data: ") == 3


def test_what_comes_behind_an_error_is_not_relayed() -> None:
    played = hear(CHAT.error_event("boom") + stream(words("Hi."), calling(piece(0, "c", TIME.name, "{}"))))

    assert played.body == CHAT.error_event("boom") + DONE
    assert played.toolbox.calls == []


def test_a_cut_behind_the_providers_error_adds_nothing_to_it() -> None:
    played = hear(Answer([CHAT.error_event("boom")], cut=UpstreamError("reset")))

    assert played.body == CHAT.error_event("boom") + DONE
    assert played.outcome.error_message == "boom"


def test_a_call_before_an_error_is_not_run() -> None:
    played = hear(stream(calling(piece(0, "c", TIME.name, "{}")), done=False) + CHAT.error_event("boom"))

    assert played.toolbox.calls == []
    assert [usage.error for usage in played.of(ToolUsage)] == ["not run: the answer was cut off in mid-call"]


def test_what_comes_behind_done_is_not_relayed() -> None:
    late = event(words("late")) + b": late\n\n"
    assert b"late" not in hear(stream(words("Hi."), chunk(finish="stop")) + late).body


def test_an_error_that_is_null_is_none() -> None:
    assert hear(stream({**words("Hi."), "error": None}, chunk(finish="stop"))).outcome.status == "completed"


@shows("in-band error", "done")
def test_our_own_error_in_the_form_of_the_dialect() -> None:
    played = hear(Answer([event(words("Hi."))], cut=UpstreamError("openai closed the connection")))

    assert data_of(played.body)[1:] == [
        b'{"error":{"message":"openai closed the connection","type":"server_error","param":null,"code":null}}',
        b"[DONE]",
    ]


@shows("body headers", "early head")
def test_the_head_of_a_stream() -> None:
    headers = (
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"content-length", b"5"),
        (b"cache-control", b"private"),
        (b"x-request-id", b"req-1"),
    )
    played = hear(Answer([ANSWER], 201, headers))

    assert played.head.status == 201
    assert played.head.headers == (
        (b"x-request-id", b"req-1"),
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
    )


@shows("prompt once")
def test_the_prompt_is_recorded_as_soon_as_the_response_has_an_id() -> None:
    played = hear(b": x\n\n" + ANSWER, size=40)

    assert played.of(PromptRecord) == [PromptRecord("What time is it?", "resp-1")]
    assert played.timeline.index("emit") < len(played.timeline) - 3


def test_a_cut_call_is_on_record_for_what_it_is() -> None:
    """Its name was whole, though no argument had come to show it."""
    begun = stream(calling(piece(0, "call-1", TIME.name, "")), done=False)
    [record] = hear(Answer([begun], cut=UpstreamError("reset"))).of(ToolUsage)

    assert (record.tool, record.injected) == ("time", True)
    assert record.error == "not run: the answer was cut off in mid-call"


def test_many_injected_tools_with_one_prefix() -> None:
    tools = [injected(name) for name in ("a", "ab", "abc")]
    call = calling(piece(0, "call-1", "bmcp_srv_ab", "{}"))
    played = hear(stream(call, chunk(finish="tool_calls")), ANSWER, tools=tools)

    assert played.ran == [[("ab", {})]]


@pytest.mark.parametrize("choices", [b"5", b"true", b'{"a":1}', b'[5,{"delta":5}]', b'[{"delta":{"content":5}}]'])
def test_plain_chunks_whose_choices_are_no_list_say_nothing(choices: bytes) -> None:
    """Each arrives by itself, so that it is not decoded until its words are asked for."""
    odd = b'data: {"id":"resp-1","choices":%b}\n\n' % choices
    played = hear(Answer([stream(words("Five."), done=False), odd, stream(chunk(finish="stop"))]))

    assert played.outcome.status == "completed"
    assert [usage.output for usage in played.of(TokenUsage)] == [len("Five.") // 4]


@shows("split")
@pytest.mark.parametrize("between", [b"event: chunk\n", b": a comment\n", b"id: 1\n", b"retry: 5\n"])
def test_what_stands_before_the_data_of_a_chunk_never_goes_on_with_it(between: bytes) -> None:
    """Whether or not the chunks come together."""
    first, second, end = event(words("One")), between + event(words("Two")), stream(chunk(finish="stop"))
    together = hear(Answer([first, first + second, end]))
    apart = hear(Answer([first, first, second, end]))
    assert together.body == apart.body
    assert between not in together.body


def test_two_calls_with_one_id_are_no_call_that_could_be_run() -> None:
    first = calling(piece(0, "call-1", TIME.name, '{"a":1}'))
    second = calling(piece(0, "call-1", "edit", '{"b":2}'))
    played = hear(stream(first, second, chunk(finish="tool_calls")), ANSWER)

    assert played.ran == [[]]
    assert [record.tool for record in played.of(ToolUsage)] == ["time"]
    assert played.of(ToolUsage)[0].error == "its arguments are not a JSON object, so it was not run"
    assert played.outcome.status == "completed"
