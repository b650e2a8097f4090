"""Streams of Responses: what providers send, and what the client may see of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.behaviours import shows
from tests.dialects.playing import CITY, TIME, Played, play
from tests.dialects.responses import (
    TOOLS,
    VOICE,
    call,
    hear,
    last,
    lifecycle,
    numbered,
    reasoning,
    response,
    said,
    stream,
    told,
    usage,
    words,
)
from tests.dialects.wire import dump, event, values_of
from tests.twins import Answer

OURS, THEIRS = call("call-1", TIME.name), call("call-3", "edit", '{"a":1}')
ANSWER = told(words("Five.", "msg-2"), id="resp-2", usage=usage(30, 7))
DONE = b"data: [DONE]\n\n"


def types_of(played: Played) -> list[str]:
    return [value["type"] for value in values_of(played.body)]


# Where nothing is injected.


@shows("untouched")
@pytest.mark.parametrize("size", [0, 1, 7])
@pytest.mark.parametrize(
    "sent",
    [
        told(words("Hello there.")),
        told(words("Hi."), THEIRS).replace(b"\n", b"\r\n"),
        told(words("Hi.")).replace(b"\n", b"\r"),
        b"\xef\xbb\xbf: hello\n\n" + told(words("Hi.")),
        told(words("Hi."))[:-2],
        told(words("Hi.")) + b"\n\n \n: bye",
        b"data: {\n\ndata: \xff\n\nevent: x\n\nid: 7\nretry: 5\n\ndata:[1]\n\n" + told(words("Hi.")),
        told(words("Hi.")) + DONE + b'data: {"type":"late"}\n\n',
        told(words("Hi."), tools=TOOLS),
        told(words("Hi."), status="incomplete"),
        told(words("Hi."), status="failed", error={"code": "server_error", "message": "boom"}),
        event({"type": "error", "message": "boom", "sequence_number": 9}) + told(),
        b'data: {"type":"response.completed"}',
    ],
)
def test_with_nothing_injected_every_byte_passes(sent: bytes, size: int) -> None:
    played = hear(sent, tools=(), size=size)

    assert played.body == sent
    assert b"" not in played.client.writes
    assert len(played.records) >= 2


@shows("untouched", "cut")
@pytest.mark.parametrize("size", [0, 1])
def test_half_an_event_does_not_garble_our_error(size: int) -> None:
    sent = told(words("Hello there."))
    whole = sent[: sent.index(b"event: response.output_text.done")]
    played = hear(whole + b'event: response.output_text.done\ndata: {"type":"resp', tools=(), size=size)

    assert played.body.startswith(whole + b"event: error\n")
    assert VOICE.heard(played.body, streaming=True).error == (
        "the provider closed the stream before the answer was complete"
    )


def test_pieces_that_are_as_long_as_an_event_but_none_pass_too() -> None:
    one = event({"type": "response.novel"})
    pieces = [one[:9], one[9:] + one[:9], one[9:] + told(words("Hi."))]
    played = hear(Answer(pieces), tools=())

    assert played.client.writes == [one, one + told(words("Hi."))]


def test_the_bytes_that_came_are_not_copied() -> None:
    sent = told(words("Hi."))
    assert hear(sent, tools=()).client.writes == [sent]


# One lifecycle.


@shows("one lifecycle", "no echo", "usage sum")
def test_three_rounds_are_one_response() -> None:
    first = told(reasoning("Hm."), words("One. "), OURS, tools=TOOLS, usage=usage(10, 5))
    second = told(call("call-2", CITY.name), id="resp-2", tools=TOOLS, created_at=9, usage=usage(20, 6))
    third = told(words("Three.", "msg-3"), id="resp-3", tools=TOOLS, created_at=9, usage=usage(30, 7))
    played = hear(first, second, third)

    values = values_of(played.body)
    assert types_of(played).count("response.created") == types_of(played).count("response.in_progress") == 1
    assert types_of(played).count("response.completed") == 1
    assert [value["sequence_number"] for value in values] == list(range(len(values)))
    assert {value["response"]["id"] for value in values if "response" in value} == {"resp-1"}
    assert {value["response"]["created_at"] for value in values if "response" in value} == {1763600000}
    added = [value for value in values if value["type"] == "response.output_item.added"]
    assert [(value["output_index"], value["item"]["type"]) for value in added] == [
        (0, "reasoning"),
        (1, "message"),
        (2, "message"),
    ]
    assert [item["id"] for item in last(played)["output"]] == ["rs-1", "msg-1", "msg-3"]
    assert last(played)["usage"] == usage(60, 18)
    assert b"bmcp_srv_city" not in played.body


@shows("no echo")
@pytest.mark.parametrize("status", ["completed", "incomplete", "failed"])
def test_the_echoed_tools_are_the_clients(status: str) -> None:
    error = {"code": "x", "message": "boom"} if status == "failed" else None
    played = hear(told(words("Hi."), status=status, tools=TOOLS, error=error))

    echoed = [value["response"]["tools"] for value in values_of(played.body) if "response" in value]
    assert echoed == [[TOOLS[0], TOOLS[2], TOOLS[4], TOOLS[5]]] * 3


def test_a_clients_tool_with_the_name_of_ours_stays_in_the_echo() -> None:
    members = {"tools": [VOICE.tool(TIME.name)]}
    played = play(VOICE, VOICE.request(streaming=True, **members), [told(words("Hi."), tools=TOOLS)])

    assert last(played)["tools"] == [TOOLS[0], TOOLS[1], TOOLS[2], TOOLS[4], TOOLS[5]]


@pytest.mark.parametrize("tools", [None, {"odd": 1}])
def test_an_echo_of_an_odd_shape_is_left_as_it_is(tools: Any) -> None:
    assert last(hear(told(words("Hi."), tools=tools)))["tools"] == tools


@shows("one lifecycle")
def test_what_is_said_of_the_clients_own_request_is_the_first_rounds() -> None:
    first = told(OURS, tool_choice="required", previous_response_id="resp-0")
    second = told(words("Five."), id="resp-2", tool_choice="auto", previous_response_id=None, model="gpt-y")
    whole = last(hear(first, second))

    assert (whole["id"], whole["tool_choice"], whole["previous_response_id"]) == ("resp-1", "required", "resp-0")
    assert whole["model"] == "gpt-y"


@shows("one lifecycle")
def test_events_of_which_nothing_changes_keep_their_bytes() -> None:
    item = words("Hi.", f=1.50, x="caf\\u00e9")
    events = [event(value) for value in numbered(lifecycle(response(item), said(0, item)))]
    odd = b'event: response.novel\ndata: { "type" : "response.novel", "f" : 1.50 }\n\n'
    played = hear(b"".join([*events[:3], b": note\n\n", odd, *events[3:]]))

    assert played.body == b"".join([*events[:3], b": note\n\n", odd, *events[3:]])


@shows("one lifecycle")
def test_in_a_mixed_round_the_clients_items_are_numbered_as_if_there_were_no_others() -> None:
    search = {"id": "ws-1", "type": "web_search_call", "status": "completed", "action": {"query": "x"}}
    played = hear(told(OURS, words("Both."), call("call-2", CITY.name), search, THEIRS))

    values = values_of(played.body)
    places = [(value["item"]["id"], value["output_index"]) for value in values if "item" in value]
    assert places == [(id_, at) for at, id_ in enumerate(["msg-1", "ws-1", "fc-call-3"]) for _ in range(2)]
    assert [value["sequence_number"] for value in values] == list(range(len(values)))
    assert [item["id"] for item in last(played)["output"]] == ["msg-1", "ws-1", "fc-call-3"]
    assert b"bmcp" not in played.body
    assert last(played)["usage"] == usage()


def test_sequence_numbers_go_on_from_the_providers_first() -> None:
    values = [
        {**value, "sequence_number": number} for number, value in enumerate(lifecycle(response(OURS), said(0, OURS)), 7)
    ]
    played = hear(b"".join(map(event, values)), ANSWER)

    shown = values_of(played.body)
    assert [value["sequence_number"] for value in shown] == list(range(7, 7 + len(shown)))


def test_where_a_provider_numbers_nothing_nothing_is_numbered() -> None:
    rounds = [
        b"".join(map(event, lifecycle(response(item, id=id_), said(0, item))))
        for id_, item in (("resp-1", OURS), ("resp-2", words("Five.")))
    ]
    played = hear(*rounds)

    assert not [value for value in values_of(played.body) if "sequence_number" in value]
    assert VOICE.heard(played.body, streaming=True).text == "Five."


@shows("live")
def test_what_the_model_says_goes_out_before_its_round_is_over() -> None:
    first = told(words("Let me look."), OURS)
    at = first.index(b"event: response.output_text.done")
    played = hear(Answer([first[:at], first[at:]]), ANSWER)

    assert b'"delta":"me look."' in played.client.writes[0]
    assert played.timeline.index("send", 2) < played.timeline.index("call")


def test_a_response_that_was_queued_first() -> None:
    whole = response(words("Hi."))
    begun = {"type": "response.queued", "response": {**whole, "output": [], "tools": TOOLS}}
    values = lifecycle(whole, said(0, whole["output"][0]))
    played = hear(stream(values[0], begun, *values[1:]), tools=(TIME,))

    assert types_of(played)[:3] == ["response.created", "response.queued", "response.in_progress"]
    assert b"bmcp_srv_time" not in played.body.replace(dump(TOOLS[2]), b"")
