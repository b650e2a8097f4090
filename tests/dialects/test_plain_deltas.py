"""Deltas of nothing but text go on without being decoded one by one, and nobody can tell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.errors import UpstreamError
from aibridge.model import TokenUsage, ToolUsage
from tests.dialects import messages, responses
from tests.dialects.behaviours import shows
from tests.dialects.playing import TIME, Played, Voice, play
from tests.dialects.wire import event, stream
from tests.twins import Answer

MESSAGES, RESPONSES = messages.VOICE, responses.VOICE


def assert_alike(voice: Voice, pieces: list[bytes], *rest: bytes, tools: tuple[Any, ...] = (TIME,)) -> Played:
    """Plays a round in pieces, and byte by byte."""
    body = voice.request(streaming=True)
    plain = play(voice, body, [Answer(pieces), *rest], tools=tools)
    slow = play(voice, body, [b"".join(pieces), *rest], tools=tools, size=1)

    assert plain.body == slow.body
    assert plain.records == slow.records
    assert plain.requests == slow.requests
    assert plain.outcome == slow.outcome
    return plain


def delta(index: int = 0, text: str = "x", kind: str = "text_delta", member: str = "text", **more: Any) -> bytes:
    """A delta of a message's block."""
    told = {"type": kind, member: text}
    return event({"type": "content_block_delta", "index": index, "delta": told, **more})


def deltas(*texts: str, first: int = 4, **members: Any) -> bytes:
    """Deltas of a response's text."""
    place = {"item_id": "msg-1", "output_index": 0, "content_index": 0}
    values = [
        {"type": "response.output_text.delta", **place, "delta": text, "logprobs": [], **members} for text in texts
    ]
    return b"".join(map(event, responses.numbered(values, first)))


@shows("untouched", "split")
@pytest.mark.parametrize("tools", [(), (TIME,)])
@pytest.mark.parametrize(
    "piece",
    [
        delta(text="a") + delta(text="b"),
        delta(text='\\"\n\u2028 é }\n\n').replace("é".encode(), b"\\u00e9"),
        delta(text="caf") + delta(text="é"),
        delta().replace(b"}}", b"}      }"),
        delta(text="half").replace(b"half", b"half \\ud83d"),
        delta(text="bad").replace(b"bad", b"bad \xff"),
        delta().replace(b"\n", b"\r\n"),
        delta() + b": note\n\n" + delta(),
        delta() + event(messages.PING),
        delta(novel=1),
        delta() + delta(index=1),
        delta(index=1) + delta(index=1),
        delta(index=7),
        delta() + delta(kind="thinking_delta", member="thinking"),
        delta(kind="thinking_delta", member="thinking"),
        delta().replace(b'"x"', b"5"),
        delta().replace(b"event: content_block_delta\n", b""),
        delta()[:-1],
        delta() + delta()[:30],
    ],
)
def test_deltas_of_messages(piece: bytes, tools: tuple[Any, ...]) -> None:
    """Of the two blocks that are open here one is the client's and one is ours."""
    begun = stream(messages.start(), messages.text(0)[0], messages.use(1, "call-1", TIME.name)[0])
    rest = b"\n" if piece.endswith(b"}\n") else b""
    rest = delta()[30:] if piece.endswith(delta()[:30]) else rest
    assert_alike(MESSAGES, [begun, piece, rest + stream(*messages.end("max_tokens"))], tools=tools)


@shows("untouched", "split")
@pytest.mark.parametrize("tools", [(), (TIME,)])
@pytest.mark.parametrize(
    "piece",
    [
        deltas("a", "b"),
        deltas("a") + deltas("b", first=5),
        deltas("a") + deltas("b", first=6),
        deltas("a", first=9),
        deltas("a", first=0),
        deltas('\\"\n\u2028 é }\n\n'),
        deltas("half").replace(b"half", b"half \\ud83d"),
        deltas("bad").replace(b"bad", b"bad \xff"),
        deltas("a", obfuscation="abc"),
        deltas("a", logprobs=[{"token": "a"}]),
        deltas("a", output_index=1),
        deltas("a", output_index=7),
        deltas("a") + deltas("b", first=5, output_index=1),
        deltas("a").replace(b"\n", b"\r\n"),
        deltas("a") + b": note\n\n",
        deltas("a").replace(b'"a"', b"5"),
        deltas("a").replace(b',"sequence_number":4', b""),
        deltas("a")[:-1],
        deltas("a") + deltas("b", first=5)[:30],
    ],
)
def test_deltas_of_responses(piece: bytes, tools: tuple[Any, ...]) -> None:
    """Of the two items that are open here one is the client's and one is ours."""
    items = [responses.words(""), responses.call("call-1", TIME.name)]
    begun = [value for at, item in enumerate(items) for value in responses.said(at, item)[:1]]
    events = responses.lifecycle(responses.response(responses.words("ab"), status="incomplete"))
    head = responses.stream(*events[:2], *begun)
    rest = b"\n" if piece.endswith(b"}\n") else b""
    rest = deltas("b", first=5)[30:] if piece.endswith(deltas("b", first=5)[:30]) else rest
    tail = b"".join(map(event, responses.numbered(events[-1:], 6)))
    assert_alike(RESPONSES, [head, piece, rest + tail], tools=tools)


@shows("untouched", "split")
@pytest.mark.parametrize("again", [messages.text(0)[0], messages.use(0, "call-1", TIME.name)[0]])
def test_deltas_of_a_block_that_begins_twice_go_to_the_second(again: dict[str, Any]) -> None:
    begun = stream(messages.start(), messages.text(0)[0])
    rest = stream(*messages.end("max_tokens"))
    assert_alike(MESSAGES, [begun, delta(), stream(again), delta(), rest], tools=(TIME,))


@shows("thinking replayed", "indexes go on")
def test_what_plain_deltas_of_messages_say_is_replayed() -> None:
    first = [
        stream(messages.start(), messages.thinking(0, "")[0]),
        delta(0, "Hm", "thinking_delta", "thinking") + delta(0, ". ", "thinking_delta", "thinking"),
        delta(0, "sig==", "signature_delta", "signature") + stream(messages.text(0)[-1], messages.text(1)[0]),
        delta(1, "Look") + delta(1, "."),
        stream(messages.text(1)[-1], messages.use(2, "call-1", TIME.name)[0]),
        delta(2, '{"zo', "input_json_delta", "partial_json") + delta(2, 'ne":1}', "input_json_delta", "partial_json"),
        stream(messages.text(2)[-1], *messages.end("tool_use")),
    ]
    answer = stream(messages.start(id="resp-2"), *messages.text(0, "Five.", " Yes."), *messages.end())
    played = assert_alike(MESSAGES, first, answer)

    assert json.loads(played.requests[1])["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm. ", "signature": "sig=="},
        {"type": "text", "text": "Look."},
        {"type": "tool_use", "id": "call-1", "name": TIME.name, "input": {"zone": 1}},
    ]
    assert MESSAGES.heard(played.body, streaming=True).text == "Look.Five. Yes."


@pytest.mark.parametrize("late", [delta(), stream(*messages.end()) + delta()])
def test_deltas_of_messages_behind_the_stop(late: bytes) -> None:
    begun = stream(messages.start(), messages.text(0)[0], *messages.end())
    assert assert_alike(MESSAGES, [begun, late]).body.endswith(late)


@pytest.mark.parametrize("name", ["edit", TIME.name])
def test_what_plain_deltas_of_a_call_said_is_on_record_when_it_is_cut(name: str) -> None:
    whole = responses.told(responses.call("call-1", name, '{"a": "b c"}'))
    at = whole.rindex(b"event: response.function_call_arguments.delta")
    begin = whole.index(b"event: response.function_call_arguments.delta")
    cut = Answer([whole[:begin], whole[begin:at]], cut=UpstreamError("reset"))
    [record] = play(RESPONSES, RESPONSES.request(streaming=True), [cut]).of(ToolUsage)

    assert json.loads(record.input) == '{"a": '


@shows("one token record")
@pytest.mark.parametrize("tools", [(), (TIME,)])
def test_the_words_of_plain_deltas_are_estimated_when_they_are_cut(tools: tuple[Any, ...]) -> None:
    head = responses.stream(*responses.lifecycle(responses.response())[:2], *responses.said(0, responses.words(""))[:2])
    cut = Answer([head, deltas("x" * 2000, "y" * 2000)], cut=UpstreamError("reset"))
    [record] = play(RESPONSES, RESPONSES.request(streaming=True), [cut], tools=tools).of(TokenUsage)

    assert 1000 < record.output < 1100


@shows("failure")
def test_our_failure_is_numbered_behind_plain_deltas() -> None:
    head = responses.stream(*responses.lifecycle(responses.response())[:2], *responses.said(0, responses.words(""))[:2])
    cut = Answer([head, deltas("a", "b")], cut=UpstreamError("reset"))
    body = play(RESPONSES, RESPONSES.request(streaming=True), [cut]).body

    assert b'"message":"reset","param":null,"sequence_number":6}' in body


@shows("one lifecycle")
def test_deltas_whose_numbers_fit_by_chance_still_get_their_items_index() -> None:
    """Round 1 shows four events of one item; round 2 hides four events of two."""
    shown, ours = responses.reasoning(id="rs-1"), responses.call("call-1", TIME.name)
    begun, done = responses.said(0, shown)
    noted = [{"type": "response.reasoning.novel", "output_index": 0}] * 2
    first = responses.lifecycle(responses.response(shown, ours), [begun, *noted, done], responses.said(1, ours))
    calls = [responses.call(f"call-{number}", TIME.name) for number in (2, 3)]
    hidden = [value for at, call in enumerate(calls) for value in responses.said(at, call) if "item" in value]
    said = responses.said(2, responses.words("", "msg-2"))[:1]
    second = responses.lifecycle(responses.response(id="resp-2"), hidden, said)
    head, tail = responses.stream(*second[:-1]), event(responses.numbered(second, 2)[-1])
    pieces = [head, deltas("a", "b", first=7, output_index=2), tail]
    answer = responses.told(responses.words("Five.", "msg-3"), id="resp-3")
    body = RESPONSES.request(streaming=True)
    plain = play(RESPONSES, body, [responses.stream(*first), Answer(pieces), answer])

    assert plain.body == play(RESPONSES, body, [responses.stream(*first), b"".join(pieces), answer], size=1).body
    assert plain.body.count(b'"output_index":1,"content_index":0,"delta":"') == 2
